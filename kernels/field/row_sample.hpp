#pragma once
#include <vector>

#include "kernels/field/centring.hpp"

namespace logitfield::kernels {

/// Logits of some rows of a head, formed one by one.
struct SampledLogits {
  /// Positions i in the context, evenly spaced and including the last; at most 64, fewer where rows are long.
  std::vector<Index> positions;
  /// [rows, n], of all keys that this rank holds; no key is masked.
  Matrix logits;
  /// |q_i|^2 of the rows.
  Vector squared_queries;
};

/// Forms the logits of the sampled rows, at most 2^20 in all (but at least 4 rows). Collective.
SampledLogits sampled_logits(const Team& team, const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form,
                             const Placement& placement);

/// Rows of the field formed directly from the definition; every route is compared with them.
struct RowSample {
  /// The positions of the sampled logits.
  std::vector<Index> positions;
  /// Residual: max_i |sum_j E_ij| / sum_j |E_ij| over the keys that the row's mean is taken over. Margin: the largest
  /// ratio of a row's |sum_j E_ij| to its rounding bound; at most 1.
  double residual = 0, margin = 0;
  /// sum_j E_ij^2, and (E x)_i [rows, p] for probes x.
  Vector energies;
  Matrix products;
  /// scale^2 |q_i|^2 + slope^2 summed over the rows; scales the rounding bound of their energies.
  double query_norms = 0;
};

/// Centres and masks the sampled logits as the scope says. `probes` [n, p] are this rank's rows of x. Collective.
RowSample sample_rows(const Team& team, const SampledLogits& sampled, const LogitForm& form, Scope scope,
                      const Placement& placement, const Matrix& probes);

// The functions below do not depend on where the logits are formed.

/// Returns the positions to sample in a context.
std::vector<Index> sampled_positions(Index length);
/// Sums over one row: of the centred logits and of their absolute values, over the keys of the mean; and of E squared.
enum RowSum { kTotal, kAbsolute, kSquares, kRowSums };
/// Sets energies, residual and margin of the sampled rows from their means [rows, 1] and sums [rows, kRowSums].
void judge_rows(const LogitForm& form, Scope scope, Index length, const Matrix& means, const Matrix& sums,
                RowSample& sample);

}  // namespace logitfield::kernels
