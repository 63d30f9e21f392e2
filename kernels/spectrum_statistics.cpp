#include "kernels/spectrum_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace logitfield::kernels {
namespace {

/// exp(-sum p ln p) of weights normalised to sum 1.
double exponential_entropy(std::span<const double> weights) {
  const double total = std::reduce(weights.begin(), weights.end());
  double entropy = 0;
  for (const double weight : weights) {
    const double p = weight / total;
    if (p > 0) entropy -= p * std::log(p);
  }
  return std::exp(entropy);
}

/// Least k whose leading energies reach `fraction` of all.
std::int64_t components_for(std::span<const double> cumulative, double fraction) {
  const auto reached = std::lower_bound(cumulative.begin(), cumulative.end(), fraction * cumulative.back());
  return reached - cumulative.begin() + 1;
}

}  // namespace

SpectrumStatistics spectrum_statistics(std::span<const double> sigma, std::int64_t max_dimension, double zero_below) {
  SpectrumStatistics out;
  if (sigma.empty() || sigma[0] <= zero_below) {
    out.gap = std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  std::vector<double> energies(sigma.begin(), sigma.end());
  for (double& e : energies) e *= e;
  std::vector<double> cumulative(energies.size());
  std::partial_sum(energies.begin(), energies.end(), cumulative.begin());

  const double threshold = static_cast<double>(max_dimension) * std::numeric_limits<double>::epsilon() * sigma[0];
  out.energy = cumulative.back();
  out.sigma_max = sigma[0];
  out.rank = std::count_if(sigma.begin(), sigma.end(), [&](double s) { return s > threshold; });
  out.k50 = components_for(cumulative, 0.50);
  out.k90 = components_for(cumulative, 0.90);
  out.k95 = components_for(cumulative, 0.95);
  out.k99 = components_for(cumulative, 0.99);
  out.effective_rank = exponential_entropy(sigma);
  out.energy_effective_rank = exponential_entropy(energies);
  out.stable_rank = out.energy / energies[0];
  out.participation_ratio =
      out.energy * out.energy / std::inner_product(energies.begin(), energies.end(), energies.begin(), 0.0);
  out.gap = sigma.size() > 1 && sigma[1] > 0 ? sigma[0] / sigma[1] : std::numeric_limits<double>::infinity();
  return out;
}

}  // namespace logitfield::kernels
