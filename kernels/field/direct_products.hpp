#pragma once
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// Products of a field, computed directly from the input queries and keys; every route is compared with them. They use
/// running sums of the keys minus the first key. They use no centred keys, factors or row means of a route.
struct DirectProducts {
  /// E x [n, p] for this rank's rows.
  Matrix products;
  /// Positions of some keys, evenly spaced and including the first, and the sums of E_ij^2 over all i.
  std::vector<Index> keys;
  Vector key_energies;
};

/// Returns the positions of these keys, at most kMostKeys.
inline constexpr Index kMostKeys = 16;
std::vector<Index> some_keys(Index length);

/// Computes these products for probes x [n, p], this rank's rows. About L d (4 p + 36) flops; for capped logits L^2 d.
/// Throws std::invalid_argument for capped logits whose rows a team shares. Collective.
DirectProducts direct_products(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys,
                               const LogitForm& form, Scope scope, const Placement& placement, const Matrix& probes);

}  // namespace logitfield::kernels
