#include "pipeline/report/packed_values.hpp"

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

json pack(const std::vector<Reading>& readings) {
  double least = INFINITY, largest = -INFINITY;
  std::vector<double> values;
  std::vector<std::uint8_t> above((readings.size() + 7) / 8), below = above;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const Reading& r = readings[i];
    const double v = values.emplace_back(r.has_place() ? r.place() : kernels::kUndefined);
    if (!std::isfinite(v)) continue;
    least = std::min(least, v), largest = std::max(largest, v);
    if (r.is_censored()) (v == r.low ? above : below)[i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
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
  json out{{"least", std::isfinite(least) ? least : 0},
           {"largest", std::isfinite(largest) ? largest : 0},
           {"logarithmic", logarithmic},
           {"data", base64(steps.data(), steps.size() * sizeof(std::uint16_t))}};
  const auto any = [](const std::vector<std::uint8_t>& bits) {
    return std::ranges::any_of(bits, [](auto b) { return b; });
  };
  if (any(above)) out["above"] = base64(above.data(), above.size());
  if (any(below)) out["below"] = base64(below.data(), below.size());
  return out;
}

}  // namespace logitfield
