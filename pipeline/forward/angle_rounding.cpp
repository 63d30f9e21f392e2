#include "pipeline/forward/angle_rounding.hpp"

#include <cmath>

namespace logitfield {
namespace {

/// Unit roundoff of float32: half the distance from 1 to the next number.
constexpr double kUnit = 0x1p-24;
/// Units of rounding in an unscaled frequency and its angle: the power (a unit in the last place, which is two of
/// these), its reciprocal and the product. The rounding of x comes on top; it counts ln theta^x times.
constexpr double kPlain = 4;
/// Further units for scaled frequencies (linear, llama3, YaRN, LongRoPE), which take a few operations more.
constexpr double kScaling = 6;

/// Whether these are powers of one number, as frequencies without scaling are.
bool is_plain(const std::vector<double>& frequencies) {
  if (frequencies.size() < 2) return frequencies.empty() || frequencies[0] == 1;
  for (std::size_t k = 0; k < frequencies.size(); ++k) {
    const double expected = std::pow(frequencies[1], static_cast<double>(k));
    if (!(std::abs(frequencies[k] / expected - 1) < 1e-9)) return false;
  }
  return true;
}

}  // namespace

std::vector<double> float32_angle_errors(const std::vector<double>& frequencies) {
  const bool plain = is_plain(frequencies);
  std::vector<double> out;
  for (const double f : frequencies) {
    const bool exact = plain && f == 1;  // theta^0: the angles are whole numbers
    out.push_back(exact ? 0 : f * kUnit * (kPlain + (plain ? 0 : kScaling) + std::abs(std::log(f))));
  }
  return out;
}

}  // namespace logitfield
