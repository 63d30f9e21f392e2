#pragma once
#include <optional>

#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// Causal softmax attention of one head, in tiles with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022):
/// out = softmax(scale q k^T) v with keys j <= i, and j > i - window where a window is given. All [L, head_dim].
/// Memory: one tile of logits. 2 L^2 head_dim flops.
void causal_attention(const MatrixFRef& queries, const MatrixFRef& keys, const MatrixFRef& values, float scale,
                      std::optional<Index> window, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> out);

}  // namespace logitfield::kernels::cpu
