#pragma once
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Products of a field straight from the queries and keys that came in; every route is compared with them. They use
/// running sums of the keys less the first key, and neither centred keys nor factors nor row means of a route.
struct DirectProducts {
  /// E x [n, p] for this rank's rows.
  Matrix products;
  /// Positions of some keys, evenly spaced and including the first, and the sums of E_ij^2 over all i.
  std::vector<Index> keys;
  Vector key_energies;
};

/// The positions of those keys, at most kMostKeys.
inline constexpr Index kMostKeys = 16;
std::vector<Index> some_keys(Index length);

/// Computes them for probes x [n, p], this rank's rows. About L d (4 p + 36) flops. For capped logits L^2 d flops;
/// their rows must not be shared by a team (else std::invalid_argument). Collective.
DirectProducts direct_products(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys,
                               const LogitForm& form, Scope scope, const Placement& placement, const Matrix& probes);

}  // namespace logitfield::kernels::cpu
