#pragma once
#include <functional>

#include "kernels/field/tall_factor.hpp"

namespace logitfield::kernels {

/// Measures the field E = a b^T exactly: SVD of the core r_a r_b^T [w, w], then one pass over each factor for energies
/// and probes. 2 L w^2 flops and O(w^3). A field whose sigma_1 is at most `noise` is zero; singular values of at most
/// `unresolved` do not count for the rank. Collective. Checks:
/// - the sum of sigma^2 against the sums of the energies;
/// - for random probes X and Y, E X and E^T Y by the factors against U S V^T X and V S U^T Y;
/// - their norms against those of S V^T X and S U^T Y.
RouteResult factored_field(const Team& team, const TallFactor& a, const TallFactor& b, const Placement& placement,
                           double noise, double unresolved = 0);

/// The data of a factor that the factored route needs, wherever its rows are stored: r and basis^T x of the probes x,
/// and its size.
struct FactorSummary {
  const Matrix& r;
  const Matrix& basis_probes;
  double norm = 0;
  Index width = 0;
};

/// One side of the field, from the factor whose rows belong to that side: energy per row, and results of the probes.
struct Side {
  Vector energy;
  /// The energies in ascending order if they were sorted; else empty.
  Vector ascending;
  /// U S V^T x of the other side's probes [n, p].
  Matrix products;
  double probe_residual = 0, probe_norm = 0;
};
/// Makes one pass over the queries' (or keys') factor. `image` is the field applied to the other side's probes, in
/// coordinates of this side's basis.
using MeasureSide = std::function<Side(bool queries, const Matrix& image)>;

/// Makes the pass of a MeasureSide over the rows of `own`, on this rank. Collective.
Side measure_side(const Team& team, const TallFactor& own, const TallFactor& other, const Matrix& image);

/// Takes the steps of factored_field that do not depend on where the rows are stored.
RouteResult factored_route(const FactorSummary& a, const FactorSummary& b, const MeasureSide& measure_side,
                           Index context, double noise, double unresolved = 0);

/// Frobenius norms of the factors a and b, and their width.
struct FactorSizes {
  double a = 0, b = 0;
  Index width = 0;
};
/// Takes the steps that do not depend on how the singular values were computed. Calls `side` for the queries (true) and
/// the keys, unless the field is zero.
RouteResult factored_result(std::vector<double> sigma, const std::function<Side(bool)>& side, const FactorSizes& sizes,
                            Index context, const Rounding& limits);

/// Sets the results of the probes from the squared norms [2, p] of E X, and of its difference from U S V^T X.
/// Orthonormal vectors preserve norms, so a basis that is not orthonormal is detected here.
void judge_probes(const Matrix& sums, const Matrix& image, Side& side);

}  // namespace logitfield::kernels
