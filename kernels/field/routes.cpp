#include "kernels/field/routes.hpp"

#include <cmath>
#include <optional>

#include "kernels/field/dense_field.hpp"
#include "kernels/field/spectral_integrals.hpp"
#include "kernels/field/spectrum.hpp"
#include "kernels/spectra/krylov.hpp"
#include "kernels/spectra/two_stage.hpp"

namespace logitfield::kernels {
namespace {

void take(const SpectrumEstimates& found, SpectrumStatistics& out) {
  out.effective_rank = found.effective_rank.value;
  out.effective_rank_se = found.effective_rank.error;
  out.energy_effective_rank = found.energy_effective_rank.value;
  out.energy_effective_rank_se = found.energy_effective_rank.error;
  out.participation_ratio = found.participation_ratio.value;
  out.participation_ratio_se = found.participation_ratio.error;
}

/// Keeps counts that are proven if no singular value beyond the leading ones exceeds `largest_rest`. A count is more
/// than n if n components do not carry the share, even when each is as large as its place allows or as `largest_rest`.
void keep_proven_counts(std::span<const double> sigma, double largest_rest, SpectrumStatistics& s) {
  s.k_more_than = -1;
  const auto keep = [&](double share, std::int64_t& k) {
    std::int64_t more_than = 0;
    for (double carried = 0; more_than < std::ssize(sigma); ++more_than) {
      carried += std::pow(std::max(sigma[more_than], largest_rest), 2);
      if (carried >= share * s.energy) break;
    }
    if (k == more_than + 1) return;
    k = -1;
    s.k_more_than = s.k_more_than == -1 ? more_than : std::min(s.k_more_than, more_than);
  };
  keep(0.50, s.k50);
  keep(0.90, s.k90);
  keep(0.95, s.k95);
  keep(0.99, s.k99);
}

}  // namespace

RouteResult krylov_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                         Index components, const Rounding& rounding) {
  CausalEnergies energies = causal_energies(team, a, b, placement);
  const CausalField field = causal_field(a, b, energies.means);
  return krylov_route(team, std::move(energies), CausalOperator(team, field), &field, placement, components, rounding);
}

RouteResult krylov_route(const Team& team, CausalEnergies energies, const LinearOperator& matrix,
                         const CausalField* rows, const Placement& placement, Index components,
                         const Rounding& rounding) {
  RouteResult out;
  out.route = Route::krylov;
  out.ranks = team.size();
  const double energy = sum_over(team, energies.queries.sum());
  if (energy <= rounding.noise * rounding.noise) {
    out.spectrum = zero_spectrum();
    return out;
  }
  std::optional<CausalSpectrum> whole;
  if (rows) whole.emplace(team, *rows, placement.length, energy);
  KrylovTarget target{.length = placement.length, .energy = energy, .most_components = components};
  target.noise = std::sqrt(rounding.size) * kEpsilon;
  if (whole) target.count_above = [&](double sigma, double margin) { return count_above(*whole, sigma, margin); };
  const LeadingTriplets leading = leading_triplets(team, matrix, placement.first_row, target);
  if (leading.sigma.empty()) {
    out.spectrum = zero_spectrum();
    return out;
  }

  out.sigma = leading.sigma;
  out.spectrum = leading_spectrum_statistics(leading.sigma, energy);
  if (leading.complete) {
    const SpectrumStatistics all = spectrum_statistics(leading.sigma, placement.length, 0);
    out.spectrum.rank = std::ssize(leading.sigma);
    out.spectrum.effective_rank = all.effective_rank;
    out.spectrum.energy_effective_rank = all.energy_effective_rank;
    out.spectrum.participation_ratio = all.participation_ratio;
  } else {
    SpectrumEstimates rest =
        whole ? integrate_spectrum(*whole)
              : estimate_spectrum(team, matrix, placement.first_row, leading, placement.length, energy);
    if (whole) rest.largest_rest = leading.proven ? 0 : std::sqrt(energy);
    take(rest, out.spectrum);
    keep_proven_counts(leading.sigma, rest.largest_rest, out.spectrum);
  }
  out.energy_bound = rounding.energy / energy;
  out.probes = {leading.residual, target.tolerance};
  matrix.apply(probe_rows(placement.first_row, matrix.rows()), out.products);
  Matrix sums;
  matrix.apply(Matrix::Ones(matrix.rows(), 1), sums);
  out.row_sums = std::sqrt(sum_over(team, sums.squaredNorm()));
  out.key_energy = std::move(energies.keys);
  out.query_energy = std::move(energies.queries);
  return out;
}

FormedField formed_field(Matrix field) {
  FormedField out;
  out.key_energy = field.colwise().squaredNorm();
  out.query_energy = field.rowwise().squaredNorm();
  out.products = field * probe_rows(0, field.rows());
  out.field = std::move(field);
  return out;
}

RouteResult dense_route(FormedField formed, Scope scope, Index coupling, const Rounding& rounding) {
  const double sums = row_sums(formed.field, scope).norm();
  return dense_result(two_stage_singular_values(std::move(formed.field), coupling), std::move(formed.key_energy),
                      std::move(formed.query_energy), std::move(formed.products), sums, rounding);
}

RouteResult dense_result(std::vector<double> sigma, Vector key_energy, Vector query_energy, Matrix products,
                         double row_sums, const Rounding& rounding) {
  RouteResult out;
  out.route = Route::dense;
  out.spectrum = spectrum_statistics(sigma, std::ssize(sigma), rounding.noise, rounding.unresolved);
  out.sigma = std::move(sigma);
  if (out.spectrum.energy == 0) return out;
  out.key_energy = std::move(key_energy);
  out.query_energy = std::move(query_energy);
  out.energy_bound = rounding.energy / out.spectrum.energy;
  out.row_sums = row_sums;
  out.products = std::move(products);
  return out;
}

}  // namespace logitfield::kernels
