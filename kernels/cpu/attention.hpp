#pragma once
#include "kernels/field_request.hpp"
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// Causal softmax attention of one head, in tiles with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022):
/// out = softmax(logits of `form`) v over the keys that form.visible shows, and form.sink, which has no value. Queries
/// and keys [L, head_dim], values and out [L, value_dim]. With bfloat16 operands, attention weights are rounded to
/// bfloat16 before they multiply the values; all else is float32. `rows`, if given, receives the softmax statistics of
/// each row. Memory: one tile of logits. L^2 (head_dim + value_dim) flops.
void causal_attention(const MatrixFRef& queries, const MatrixFRef& keys, const MatrixFRef& values,
                      const LogitForm& form, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> out,
                      RowAttention* rows = nullptr);
void causal_attention(const MatrixBRef& queries, const MatrixBRef& keys, const MatrixBRef& values,
                      const LogitForm& form, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> out,
                      RowAttention* rows = nullptr);

}  // namespace logitfield::kernels::cpu
