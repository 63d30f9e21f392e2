#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// y = x W^T + b.
MatrixF linear(const MatrixFRef& x, const Linear& map, Precision precision);

/// The feed-forward network over normalised rows [n, hidden]; all zero where the weights are absent.
MatrixF feed_forward(const BlockShape& shape, const MlpWeights& weights, const MatrixFRef& rows, Precision precision);

}  // namespace logitfield::kernels::cpu
