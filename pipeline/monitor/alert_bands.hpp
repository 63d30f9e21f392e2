#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace logitfield {

/// Lower limit of every noise estimate, in natural logarithms: 5 %.
inline constexpr double kLeastNoise = 0.05;

/// The range in which a logarithm is expected.
struct Band {
  double middle = 0, width = 0;
  double low() const { return middle - width; }
  double high() const { return middle + width; }
};

/// Median; throws std::invalid_argument for no values.
double middle_of(std::vector<double> values);
/// Robust standard deviation: 1.4826 times the median distance from the median. For normal values it estimates their
/// standard deviation.
double robust_sd(std::vector<double> values);

/// The noise of a series, estimated from its past: the robust standard deviation of the second differences
/// x_i - 2 x_(i-k) + x_(i-2k), which a steady trend does not change.
class OwnNoise {
 public:
  /// `past`: at least four values, oldest first. Lags are at most a quarter of their number.
  explicit OwnNoise(std::span<const double> past) : past_(past) {}

  /// Growth exponent of the changes with the lag, from the two longest lags: 0 for white noise, 1/2 for a random walk;
  /// limited to this range. The estimate from one series is uncertain; the median over many series is not.
  double power() const;
  /// Standard deviation of the change over `lag` checkpoints, for a series with that growth exponent. Uses the two
  /// longest lags that do not exceed `lag`.
  double over(double lag, double power) const;

 private:
  std::size_t longest(double at_most) const;
  double second_differences(std::size_t lag) const;

  std::span<const double> past_;
};

/// Whether a departure is established at the last value; `outside` says for each value whether it lies outside its
/// band. Three things must hold: the last value is outside; so are `confirm` of the last 2 confirm - 1, on either side;
/// and the value before the first of these is inside.
bool departs(std::span<const std::uint8_t> outside, std::size_t confirm);
/// Whether a departure is established at the last value, but at none of the 2 confirm - 1 values before.
bool begins(std::span<const std::uint8_t> outside, std::size_t confirm);

}  // namespace logitfield
