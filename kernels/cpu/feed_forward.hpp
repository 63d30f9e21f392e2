#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// y = x W^T + b, x rounded to bfloat16 where W is.
MatrixF linear(const MatrixFRef& x, const Linear& map);

/// The feed-forward network over normalised rows [n, hidden]; all zero where the weights are absent.
MatrixF feed_forward(const BlockShape& shape, const MlpWeights& weights, const MatrixFRef& rows);

}  // namespace logitfield::kernels::cpu
