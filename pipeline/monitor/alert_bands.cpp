#include "pipeline/monitor/alert_bands.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

namespace logitfield {
namespace {

/// Median; reorders the values.
double middle_in_place(std::vector<double>& values) {
  if (values.empty()) throw std::invalid_argument("a median of no values");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return values.size() % 2 == 1 ? *middle : (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

double middle_of(std::vector<double> values) { return middle_in_place(values); }

double robust_sd(std::vector<double> values) {
  const double middle = middle_in_place(values);
  for (double& v : values) v = std::abs(v - middle);
  return 1.4826 * middle_in_place(values);
}

/// Longest lag up to `at_most`; a power of two.
std::size_t OwnNoise::longest(double at_most) const {
  const double most = std::min(at_most, static_cast<double>(past_.size() / 4));
  return std::bit_floor(std::max<std::size_t>(static_cast<std::size_t>(most), 1));
}

double OwnNoise::second_differences(std::size_t lag) const {
  std::vector<double> out;
  out.reserve(past_.size());
  for (std::size_t i = 2 * lag; i < past_.size(); ++i)
    out.push_back(past_[i] - 2 * past_[i - lag] + past_[i - 2 * lag]);
  return robust_sd(std::move(out));
}

double OwnNoise::power() const {
  const std::size_t lag = longest(static_cast<double>(past_.size()));
  if (lag < 2) return 0.5;
  const double before = second_differences(lag / 2);
  if (before == 0) return 0.5;
  return std::clamp(std::log2(second_differences(lag) / before), 0.0, 0.5);
}

double OwnNoise::over(double lag, double power) const {
  const std::size_t longest = this->longest(lag);
  double sd = second_differences(longest);
  if (longest > 1) sd = std::max(sd, std::pow(2, power) * second_differences(longest / 2));
  // Second differences have 4 - 4^power times the variance of differences (fractional Brownian motion).
  return sd / std::sqrt(4 - std::pow(4, power)) * std::pow(lag / static_cast<double>(longest), power);
}

bool departs(std::span<const std::uint8_t> outside, std::size_t confirm) {
  if (outside.size() < confirm + 1 || outside.back() == 0) return false;
  const auto last = outside.last(std::min(2 * confirm - 1, outside.size() - 1));
  const std::size_t before = outside.size() - last.size() - 1;
  const auto first = static_cast<std::size_t>(std::ranges::find(last, 1) - last.begin());
  return std::ranges::count(last, 1) >= static_cast<std::ptrdiff_t>(confirm) && outside[before + first] == 0;
}

bool begins(std::span<const std::uint8_t> outside, std::size_t confirm) {
  if (!departs(outside, confirm)) return false;
  for (std::size_t back = 1; back < std::min(2 * confirm, outside.size()); ++back) {
    if (departs(outside.first(outside.size() - back), confirm)) return false;
  }
  return true;
}

}  // namespace logitfield
