#include "pipeline/forward/angle_rounding.hpp"

#include <cmath>

namespace logitfield {
namespace {

/// Unit roundoff of float32: half the distance from 1 to the next number.
constexpr double kUnit = 0x1p-24;
/// Unit roundoffs in an unscaled frequency and its angle: two for the power (one unit in the last place), one for its
/// reciprocal and one for the product. The rounding of x comes on top, multiplied by ln theta^x.
constexpr double kPlain = 4;
/// Further unit roundoffs of scaled frequencies (linear, llama3, YaRN, LongRoPE), which need a few more operations.
constexpr double kScaling = 6;

/// Whether the frequencies are powers of one number, as they are without scaling.
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
