#pragma once
#include "kernels/field/causal_field.hpp"

namespace logitfield::kernels::cpu {

/// The causal field of factors a and b without forming it: exact energies, as many leading triplets as carry 99 % of
/// the energy (but at most `components`), proven by a count to be all of their size, and integrals for the sums over
/// the whole spectrum. The triplets' residual goes into `probes`. Collective.
RouteResult krylov_route(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement,
                         Index components, const Rounding& rounding);

/// The same from energies and an operator found elsewhere. `rows`: the same field by its factors in host memory; null
/// where it has none (a window), whose counts nobody proves, and whose sums are estimated from random vectors.
RouteResult krylov_route(const Team& team, CausalEnergies energies, const LinearOperator& field,
                         const CausalField* rows, const Placement& placement, Index components,
                         const Rounding& rounding);

/// A field formed [L, L], its column and row sums of squares, and its products with the probes.
struct FormedField {
  Matrix field;
  Vector key_energy, query_energy;
  Matrix products;
};
FormedField formed_field(Matrix field);

/// Any field of a head that one rank holds, formed and decomposed: O(L^3), memory L^2. `coupling`: see
/// two_stage_singular_values; L where nothing is known.
RouteResult dense_route(FormedField formed, Scope scope, Index coupling, const Rounding& rounding);

}  // namespace logitfield::kernels::cpu
