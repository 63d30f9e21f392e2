#pragma once
#include "kernels/block.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Normalises every row (identity if the norm is absent). Sums in float64.
MatrixF normalised(const MatrixFRef& rows, const Norm& norm);

/// Normalises heads stored head-major [heads * length, head_dim], in place. With `columns` 0, each head is normalised
/// by itself; its gain is one of its own or shared by all heads. Else each position is normalised over the heads of all
/// shards, which have `columns` columns (root mean square only). This case is collective over `shards`.
void normalise_heads(const Norm& norm, Index length, Index columns, const Team& shards, MatrixF& heads);

}  // namespace logitfield::kernels::cpu
