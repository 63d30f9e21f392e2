#include "kernels/field/spectrum.hpp"

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

/// Least k whose leading energies reach `energy`; -1 if all together do not.
std::int64_t components_for(std::span<const double> cumulative, double energy) {
  const auto reached = std::lower_bound(cumulative.begin(), cumulative.end(), energy);
  return reached == cumulative.end() ? -1 : reached - cumulative.begin() + 1;
}

/// Statistics that the leading singular values alone determine, given the energy of the spectrum.
SpectrumStatistics leading_part(std::span<const double> sigma, std::span<const double> energies, double energy) {
  std::vector<double> cumulative(energies.size());
  std::partial_sum(energies.begin(), energies.end(), cumulative.begin());
  SpectrumStatistics out;
  out.energy = energy;
  out.sigma_max = sigma[0];
  out.components = std::ssize(sigma);
  out.captured = cumulative.back() / energy;
  out.k50 = components_for(cumulative, 0.50 * energy);
  out.k90 = components_for(cumulative, 0.90 * energy);
  out.k95 = components_for(cumulative, 0.95 * energy);
  out.k99 = components_for(cumulative, 0.99 * energy);
  if (out.k99 == -1) out.k_more_than = out.components;  // the largest of the counts is the first to be missing
  out.stable_rank = energy / energies[0];
  out.gap = sigma.size() > 1 && sigma[1] > 0 ? sigma[0] / sigma[1] : std::numeric_limits<double>::infinity();
  return out;
}

std::vector<double> squares(std::span<const double> sigma) {
  std::vector<double> out(sigma.begin(), sigma.end());
  for (double& e : out) e *= e;
  return out;
}

}  // namespace

SpectrumStatistics zero_spectrum() {
  SpectrumStatistics out;
  out.gap = kUndefined;
  return out;
}

SpectrumStatistics spectrum_statistics(std::span<const double> sigma, std::int64_t max_dimension, double zero_below,
                                       double unresolved) {
  if (sigma.empty() || sigma[0] <= zero_below) return zero_spectrum();
  const std::vector<double> energies = squares(sigma);
  const double energy = std::accumulate(energies.begin(), energies.end(), 0.0);
  SpectrumStatistics out = leading_part(sigma, energies, energy);
  const double epsilon = std::numeric_limits<double>::epsilon();
  const double threshold = std::max(static_cast<double>(max_dimension) * epsilon * sigma[0], unresolved);
  out.rank = std::ranges::count_if(sigma, [&](double s) { return s > threshold; });
  if (out.rank == 1) out.gap = std::numeric_limits<double>::infinity();  // sigma_2 is only rounding
  out.effective_rank = exponential_entropy(sigma);
  out.energy_effective_rank = exponential_entropy(energies);
  double squared_shares = 0;  // of shares: squares of the energies themselves may overflow or underflow
  for (const double e : energies) squared_shares += (e / energy) * (e / energy);
  out.participation_ratio = 1 / squared_shares;
  return out;
}

SpectrumStatistics leading_spectrum_statistics(std::span<const double> sigma, double energy) {
  SpectrumStatistics out = leading_part(sigma, squares(sigma), energy);
  out.rank = -1;
  out.effective_rank = out.energy_effective_rank = out.participation_ratio = kUndefined;
  return out;
}

}  // namespace logitfield::kernels
