#pragma once
#include <span>

#include "kernels/block.hpp"

namespace logitfield::kernels::cpu {

/// See Backend: the halves of a decoder block, the norm and the loss, in float32 on one core.
void attention_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial,
                    QueriesKeys& queries_keys);
void mlp_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial);
MatrixF rms_norm(const MatrixF& hidden, const VectorF& gain, double epsilon);

}  // namespace logitfield::kernels::cpu
