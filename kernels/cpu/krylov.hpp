#pragma once
#include <vector>

#include "kernels/cpu/block_basis.hpp"
#include "kernels/cpu/linear_operator.hpp"

namespace logitfield::kernels::cpu {

/// What is asked of leading_triplets.
struct KrylovTarget {
  /// Size of the whole matrix, and its squared Frobenius norm, which is known.
  Index length = 0;
  double energy = 0;
  /// As many components as carry this share of the energy, but at least two and at most so many.
  double fraction = 0.99;
  Index most_components = 256;
  /// ||E v - sigma u|| and ||E^T u - sigma v||, over sigma_1.
  double tolerance = 1e-8;
};

/// E v_i = sigma_i u_i and E^T u_i = sigma_i v_i for the largest singular values, descending.
struct LeadingTriplets {
  std::vector<double> sigma;
  BlockBasis u, v;
  /// Largest residual over sigma_1, measured on the triplets with one more product each.
  double residual = 0;
  /// The triplets are all that is not zero.
  bool complete = false;
  /// Blocks that E and E^T were applied to.
  Index products = 0;
};

/// Block Golub-Kahan-Lanczos with full reorthogonalisation and thick restart (Baglama & Reichel 2005), its subspace at
/// most about twice the components asked for. Deterministic; the same on any team. Where the residuals do not come down
/// in 50 restarts, `residual` is above the tolerance. Collective.
LeadingTriplets leading_triplets(const Team& team, const LinearOperator& field, Index first_row,
                                 const KrylovTarget& target);

/// The subspace's largest number of columns, for planning memory: u and v of that many columns are kept.
Index krylov_columns(Index length, Index most_components);

}  // namespace logitfield::kernels::cpu
