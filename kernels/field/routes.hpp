#pragma once
#include "kernels/field/causal_field.hpp"

namespace logitfield::kernels {

/// Measures the causal field of factors a and b without forming it. Computes exact energies, and as many leading
/// triplets as carry 99 % of the energy (at most `components`). A count of singular values proves that no triplet of
/// this size is missing. Integrals give the sums over the whole spectrum. The triplets' residual is reported in
/// `probes`. Collective.
RouteResult krylov_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                         Index components, const Rounding& rounding);

/// Takes the Krylov route from given energies and a given operator. `rows` is the same field by its factors in host
/// memory. It is null for a field without such factors (a window): then no count proves the triplets, and the sums are
/// estimated from random vectors.
RouteResult krylov_route(const Team& team, CausalEnergies energies, const LinearOperator& field,
                         const CausalField* rows, const Placement& placement, Index components,
                         const Rounding& rounding);

/// A formed field [L, L], its column and row sums of squares, and its products with the probes.
struct FormedField {
  Matrix field;
  Vector key_energy, query_energy;
  Matrix products;
};
FormedField formed_field(Matrix field);

/// Returns the result of the dense route from given singular values, descending. `row_sums`: see RouteResult.
RouteResult dense_result(std::vector<double> sigma, Vector key_energy, Vector query_energy, Matrix products,
                         double row_sums, const Rounding& rounding);

/// Decomposes a formed field of any kind, of a head that one rank holds. O(L^3), memory L^2. `coupling`: see
/// two_stage_singular_values; L if nothing is known.
RouteResult dense_route(FormedField formed, Scope scope, Index coupling, const Rounding& rounding);

}  // namespace logitfield::kernels
