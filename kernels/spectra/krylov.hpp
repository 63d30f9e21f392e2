#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "kernels/spectra/block_basis.hpp"
#include "kernels/spectra/linear_operator.hpp"

namespace logitfield::kernels {

/// The input of leading_triplets.
struct KrylovTarget {
  /// Size of the whole matrix, and its squared Frobenius norm, which must be known.
  Index length = 0;
  double energy = 0;
  /// Asks for the components that carry this share of the energy, at least two and at most most_components.
  double fraction = 0.99;
  Index most_components = 256;
  /// Tolerance of ||E v - sigma u|| and ||E^T u - sigma v||, over sigma_1.
  double tolerance = 1e-8;
  /// Rounding error of the matrix times a vector of length one.
  double noise = 0;
  /// Counts the singular values of the matrix above sigma without finding triplets. Returns nothing if rounding could
  /// have moved one by `margin` in sigma^2. May be empty: then missing triplets go unnoticed.
  std::function<std::optional<Index>(double sigma, double margin)> count_above = {};
};

/// E v_i = sigma_i u_i and E^T u_i = sigma_i v_i for the largest singular values, descending.
struct LeadingTriplets {
  std::vector<double> sigma;
  BlockBasis u, v;
  /// Largest residual over sigma_1, measured on the triplets with one more product each.
  double residual = 0;
  /// Whether the triplets are all those with nonzero sigma.
  bool complete = false;
  /// Whether a count proved that no larger triplet is missing; always true if the triplets are complete.
  bool proven = false;
  /// Number of blocks that E and E^T were applied to.
  Index products = 0;
};

/// Block Golub-Kahan-Lanczos with full reorthogonalisation and thick restart (Baglama & Reichel 2005). The subspace has
/// at most about twice the components asked for. Converged triplets do not prove that none is missing: a block finds
/// only as many copies of a repeated value as it is wide. So the singular values are counted, and random directions are
/// added if some are missing. Deterministic; the same on any team. If the residuals do not converge in 50 restarts,
/// `residual` is above the tolerance; if the count cannot be met, `proven` is false. Collective.
LeadingTriplets leading_triplets(const Team& team, const LinearOperator& field, Index first_row,
                                 const KrylovTarget& target);

/// Returns the largest number of columns of the subspace. Planning uses it, since u and v of that many columns are
/// kept.
Index krylov_columns(Index length, Index most_components);

}  // namespace logitfield::kernels
