#include "pipeline/packed_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace logitfield {
namespace {

using nlohmann::json;

constexpr std::uint16_t kUndefinedStep = 65535;

std::string base64(const void* data, std::size_t size) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::string out;
  for (std::size_t i = 0; i < size; i += 3) {
    const std::size_t count = std::min<std::size_t>(3, size - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = (group << 8) | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? digits[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

}  // namespace

std::string floats(const std::vector<double>& values) {
  const std::vector<float> singles(values.begin(), values.end());
  return base64(singles.data(), singles.size() * sizeof(float));
}

json pack(const std::vector<double>& values) {
  double least = INFINITY, largest = -INFINITY;
  for (const double v : values) {
    if (std::isfinite(v)) least = std::min(least, v), largest = std::max(largest, v);
  }
  const bool logarithmic = least > 0 && largest > 100 * least;
  std::vector<std::uint16_t> steps;
  for (const double v : values) {
    if (!std::isfinite(v)) {
      steps.push_back(kUndefinedStep);
      continue;
    }
    const double part = largest == least ? 0
                        : logarithmic    ? std::log(v / least) / std::log(largest / least)
                                         : (v - least) / (largest - least);
    steps.push_back(static_cast<std::uint16_t>(std::lround(part * (kUndefinedStep - 1))));
  }
  return {{"least", std::isfinite(least) ? least : 0},
          {"largest", std::isfinite(largest) ? largest : 0},
          {"logarithmic", logarithmic},
          {"data", base64(steps.data(), steps.size() * sizeof(std::uint16_t))}};
}

}  // namespace logitfield
