#include "kernels/field/shares.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace logitfield::kernels {
namespace {

double total_of(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// Gini coefficient of ascending numbers.
double gini(std::span<const double> ascending, double total) {
  const double n = static_cast<double>(ascending.size());
  double weighted = 0;
  for (std::size_t i = 0; i < ascending.size(); ++i)
    weighted += (2.0 * static_cast<double>(i + 1) - n - 1) * (ascending[i] / total);
  return weighted / n;
}

ShareStatistics undefined_shares() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {nan, -1, nan, nan, nan, nan, nan};
}

}  // namespace

ShareStatistics share_statistics(std::span<const double> energies, std::span<const double> ascending) {
  const double total = total_of(energies);
  if (!(total > 0)) return undefined_shares();
  const double length = static_cast<double>(energies.size());

  ShareStatistics out;
  const Eigen::ArrayXd shares = Eigen::Map<const Eigen::ArrayXd>(energies.data(), std::ssize(energies)) / total;
  constexpr double kLeast = std::numeric_limits<double>::min();  // 0 log 0 = 0
  const double squares = shares.square().sum(), entropy = -(shares * shares.max(kLeast).log()).sum();
  out.argmax = std::ranges::max_element(energies) - energies.begin();
  out.max_share = energies[static_cast<std::size_t>(out.argmax)] / total;
  out.first_share = energies[0] / total;
  out.participation = 1 / (length * squares);
  out.entropy = entropy / std::log(length);

  std::vector<double> sorted;
  if (ascending.empty()) {
    sorted.assign(energies.begin(), energies.end());
    std::ranges::sort(sorted);
    ascending = sorted;
  }
  const std::size_t top = (energies.size() + 99) / 100;
  out.gini = gini(ascending, total);
  out.top1pct_share = 0;
  for (const double energy : ascending.last(top)) out.top1pct_share += energy / total;
  return out;
}

std::vector<double> share_profile(std::span<const double> energies) {
  const std::size_t length = energies.size(), bins = std::min(length, kProfileBins);
  const double total = total_of(energies);
  std::vector<double> profile(bins, 0.0);
  if (!(total > 0)) return profile;
  for (std::size_t b = 0; b < bins; ++b) {
    const std::size_t begin = b * length / bins, end = (b + 1) * length / bins;
    profile[b] = total_of(energies.subspan(begin, end - begin)) / total;
  }
  return profile;
}

}  // namespace logitfield::kernels
