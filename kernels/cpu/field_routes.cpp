#include "kernels/cpu/field_routes.hpp"

#include <cmath>

#include "kernels/cpu/dense_field.hpp"
#include "kernels/cpu/krylov.hpp"
#include "kernels/cpu/spectral_sums.hpp"
#include "kernels/cpu/two_stage.hpp"
#include "kernels/spectrum_statistics.hpp"

namespace logitfield::kernels::cpu {

RouteResult krylov_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                         Index components, const Rounding& rounding) {
  CausalEnergies energies = causal_energies(team, a, b, placement);
  const CausalField field = causal_field(a, b, energies.means);
  return krylov_route(team, std::move(energies), CausalOperator(team, field), placement, components, rounding);
}

RouteResult krylov_route(const Team& team, CausalEnergies energies, const LinearOperator& matrix,
                         const Placement& placement, Index components, const Rounding& rounding) {
  RouteResult out;
  out.route = Route::krylov;
  out.ranks = team.size();
  const double energy = sum_over(team, energies.queries.sum());
  if (energy <= rounding.noise * rounding.noise) {
    out.spectrum = zero_spectrum();
    return out;
  }
  const KrylovTarget target{.length = placement.length, .energy = energy, .most_components = components};
  const LeadingTriplets leading = leading_triplets(team, matrix, placement.first_row, target);
  const SpectrumEstimates rest =
      estimate_spectrum(team, matrix, placement.first_row, leading, placement.length, energy);

  out.sigma = leading.sigma;
  out.spectrum = leading_spectrum_statistics(leading.sigma, energy);
  if (leading.complete) out.spectrum.rank = std::ssize(leading.sigma);
  out.spectrum.effective_rank = rest.effective_rank.value;
  out.spectrum.effective_rank_se = rest.effective_rank.error;
  out.spectrum.energy_effective_rank = rest.energy_effective_rank.value;
  out.spectrum.energy_effective_rank_se = rest.energy_effective_rank.error;
  out.spectrum.participation_ratio = rest.participation_ratio.value;
  out.spectrum.participation_ratio_se = rest.participation_ratio.error;
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
  RouteResult out;
  out.route = Route::dense;
  const Index length = formed.field.rows();
  const double sums = row_sums(formed.field, scope).norm();
  out.sigma = two_stage_singular_values(std::move(formed.field), coupling);
  out.spectrum = spectrum_statistics(out.sigma, length, rounding.noise, rounding.unresolved);
  if (out.spectrum.energy == 0) return out;
  out.key_energy = std::move(formed.key_energy);
  out.query_energy = std::move(formed.query_energy);
  out.energy_bound = rounding.energy / out.spectrum.energy;
  out.row_sums = sums;
  out.products = std::move(formed.products);
  return out;
}

}  // namespace logitfield::kernels::cpu
