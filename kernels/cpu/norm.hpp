#pragma once
#include "kernels/block.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Every row normalised (the identity where the norm is absent). Sums in float64.
MatrixF normalised(const MatrixFRef& rows, const Norm& norm);

/// Norms of heads stored head-major [heads * length, head_dim], in place. `columns` 0: each head by itself, with a gain
/// of head_dim entries or one for every head; else over the heads of all shards, `columns` in all, position by position
/// (root mean square only). Collective over `shards` in the second case.
void normalise_heads(const Norm& norm, Index length, Index columns, const Team& shards, MatrixF& heads);

}  // namespace logitfield::kernels::cpu
