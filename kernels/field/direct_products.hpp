#pragma once
#include <vector>

#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// What a field is, straight from the queries and keys that came in: against this every route is held. Running sums of
/// the keys less the first of them; no centred key, no factor, no row mean of a route.
struct DirectProducts {
  /// E x [n, p] for this rank's rows.
  Matrix products;
  /// Positions of some keys, evenly spaced, the first among them, and the sums of E_ij^2 over all i.
  std::vector<Index> keys;
  Vector key_energies;
};

/// For probes x [n, p], this rank's rows. About L d (4 p + 36) flops; L^2 d where logits are capped, whose rows no team
/// may share (else std::invalid_argument). Collective.
DirectProducts direct_products(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys,
                               const LogitForm& form, Scope scope, const Placement& placement, const Matrix& probes);

}  // namespace logitfield::kernels::cpu
