#pragma once
#include "kernels/block.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Normalises every row (identity if the norm is absent). Sums in float64.
MatrixF normalised(const MatrixFRef& rows, const Norm& norm);

/// Normalises heads stored head-major [heads * length, head_dim], in place. `columns` 0: each head by itself, with a
/// gain of head_dim entries or one for every head. Else over the heads of all shards, `columns` in all, position by
/// position (root mean square only); collective over `shards` in this case.
void normalise_heads(const Norm& norm, Index length, Index columns, const Team& shards, MatrixF& heads);

}  // namespace logitfield::kernels::cpu
