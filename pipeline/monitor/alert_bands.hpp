#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace logitfield {

/// Noise is never taken as less than this, of natural logarithms: 5 %.
inline constexpr double kLeastNoise = 0.05;

/// Where a logarithm should be.
struct Band {
  double middle = 0, width = 0;
  double low() const { return middle - width; }
  double high() const { return middle + width; }
};

/// The median of at least one value.
double middle_of(std::vector<double> values);
/// The robust standard deviation: 1.4826 times the median distance to the median. That of normal values is their own.
double robust_sd(std::vector<double> values);

/// How far a series moves by itself, from its past: the robust standard deviation of second differences
/// x_i - 2 x_(i-k) + x_(i-2k), which a steady trend leaves alone.
class OwnNoise {
 public:
  /// `past`: oldest first; at least four values. Lags are at most a quarter of it.
  explicit OwnNoise(std::span<const double> past) : past_(past) {}

  /// The power of the lag by which its changes grow, from the two longest lags: 0 for white noise, 1/2 for a random
  /// walk; never more, nor less than 0. Of a single series it is uncertain; the median over many is not.
  double power() const;
  /// Standard deviation of the change over `lag` checkpoints, of a series that grows by that power. From the two
  /// longest lags that are not longer.
  double over(double lag, double power) const;

 private:
  std::size_t longest(double at_most) const;
  double second_differences(std::size_t lag) const;

  std::span<const double> past_;
};

/// Does a departure end at the last of these values, by whether each lies outside of its band? The last does, `confirm`
/// of the last 2 confirm - 1 do, on whichever side, and the value before the first of these does not.
bool departs(std::span<const std::uint8_t> outside, std::size_t confirm);
/// And none ended at one of the 2 confirm - 1 values before.
bool begins(std::span<const std::uint8_t> outside, std::size_t confirm);

}  // namespace logitfield
