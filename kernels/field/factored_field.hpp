#pragma once
#include <functional>

#include "kernels/field/tall_factor.hpp"

namespace logitfield::kernels::cpu {

/// The field E = a b^T, exactly: SVD of the core r_a r_b^T [w, w], then one pass over each factor for the energies and
/// probes. 2 L w^2 flops and O(w^3). A field whose sigma_1 is at most `noise` is zero, and
/// singular values of at most `unresolved` count for no rank. Checks: the sum of sigma^2
/// against the sums of the energies; E X and E^T Y by the factors against U S V^T X and V S U^T Y on random signs X and
/// Y, and their norms against those of S V^T X and S U^T Y. Collective.
RouteResult factored_field(const Team& team, const TallFactor& a, const TallFactor& b, const Placement& placement,
                           double noise, double unresolved = 0);

/// What the factored route needs of a factor, wherever its rows are: r and basis^T x of the probes x, and its size.
struct FactorSummary {
  const Matrix& r;
  const Matrix& basis_probes;
  double norm = 0;
  Index width = 0;
};

/// One side of the field, from the factor whose rows belong to that side: energy per row, and what the probes say.
struct Side {
  Vector energy;
  /// U S V^T x of the other side's probes [n, p].
  Matrix products;
  double probe_residual = 0, probe_norm = 0;
};
/// One pass over the queries' (or keys') factor; `image`: the field applied to the other side's probes, in coordinates
/// of this side's basis.
using MeasureSide = std::function<Side(bool queries, const Matrix& image)>;

/// That pass over the rows of `own`, on this rank. Collective.
Side measure_side(const Team& team, const TallFactor& own, const TallFactor& other, const Matrix& image);

/// The part of factored_field that does not depend on where the rows are.
RouteResult factored_route(const FactorSummary& a, const FactorSummary& b, const MeasureSide& measure_side,
                           Index context, double noise, double unresolved = 0);

/// Sets what the probes say from squared norms [2, p] of E X, and of its difference from U S V^T X. Orthonormal vectors
/// keep norms: a basis that is not orthonormal shows here.
void judge_probes(const Matrix& sums, const Matrix& image, Side& side);

}  // namespace logitfield::kernels::cpu
