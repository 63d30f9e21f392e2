#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "kernels/spectra/block_basis.hpp"
#include "kernels/spectra/linear_operator.hpp"

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
  /// What rounding makes of the matrix times a vector of length one.
  double noise = 0;
  /// How many singular values of the matrix are above sigma, found without its triplets; nothing where rounding could
  /// have moved one by `margin` in sigma^2. May be empty: then nobody knows whether triplets are missing.
  std::function<std::optional<Index>(double sigma, double margin)> count_above = {};
};

/// E v_i = sigma_i u_i and E^T u_i = sigma_i v_i for the largest singular values, descending.
struct LeadingTriplets {
  std::vector<double> sigma;
  BlockBasis u, v;
  /// Largest residual over sigma_1, measured on the triplets with one more product each.
  double residual = 0;
  /// The triplets are all that is not zero.
  bool complete = false;
  /// No larger one is missing, as a count says; always so where they are complete.
  bool proven = false;
  /// Blocks that E and E^T were applied to.
  Index products = 0;
};

/// Block Golub-Kahan-Lanczos with full reorthogonalisation and thick restart (Baglama & Reichel 2005), its subspace at
/// most about twice the components asked for. Converged triplets do not prove that none is missing: a block finds as
/// many copies of a repeated value as it is wide. So they are counted, and random directions join where some are
/// missing. Deterministic; the same on any team. Where the residuals do not come down in 50 restarts, `residual` is
/// above the tolerance; where the count cannot be met, `proven` is false. Collective.
LeadingTriplets leading_triplets(const Team& team, const LinearOperator& field, Index first_row,
                                 const KrylovTarget& target);

/// The subspace's largest number of columns, for planning memory: u and v of that many columns are kept.
Index krylov_columns(Index length, Index most_components);

}  // namespace logitfield::kernels::cpu
