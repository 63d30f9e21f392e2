#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// y = x W^T + b; x is rounded to bfloat16 if W is bfloat16.
MatrixF linear(const MatrixFRef& x, const Linear& map);

/// The feed-forward network over normalised rows [n, hidden]; all zero where the weights are absent.
MatrixF feed_forward(const BlockShape& shape, const MlpWeights& weights, const MatrixFRef& rows);

}  // namespace logitfield::kernels::cpu
