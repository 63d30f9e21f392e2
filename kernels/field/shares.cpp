#include "kernels/field/shares.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace logitfield::kernels {
namespace {

constexpr std::size_t kProfileBins = 256;

double total_of(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// Gini coefficient of ascending shares that sum to 1.
double gini(std::span<const double> ascending) {
  const double n = static_cast<double>(ascending.size());
  double weighted = 0;
  for (std::size_t i = 0; i < ascending.size(); ++i)
    weighted += (2.0 * static_cast<double>(i + 1) - n - 1) * ascending[i];
  return weighted / n;
}

ShareStatistics undefined_shares() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return {nan, -1, nan, nan, nan, nan, nan};
}

}  // namespace

ShareStatistics share_statistics(std::span<const double> energies) {
  const double total = total_of(energies);
  if (!(total > 0)) return undefined_shares();
  const double length = static_cast<double>(energies.size());

  ShareStatistics out;
  std::vector<double> shares(energies.begin(), energies.end());
  double squares = 0, entropy = 0;
  for (double& c : shares) {
    c /= total;
    squares += c * c;
    if (c > 0) entropy -= c * std::log(c);
  }
  out.argmax = std::max_element(shares.begin(), shares.end()) - shares.begin();
  out.max_share = shares[out.argmax];
  out.first_share = shares[0];
  out.participation = 1 / (length * squares);
  out.entropy = entropy / std::log(length);

  std::sort(shares.begin(), shares.end());
  const std::size_t top = (shares.size() + 99) / 100;
  out.gini = gini(shares);
  out.top1pct_share = total_of(std::span(shares).last(top));
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
