#pragma once
#include "kernels/backend.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// Queries, keys and values of the shard's heads, head-major; before rotation and norms of queries and keys.
struct Projected {
  MatrixF queries, keys, values;
};

/// Projects normalised hidden states [L, hidden_size], directly or through latents (DeepSeek-V2, arXiv:2405.04434).
Projected project(const BlockShape& shape, const LayerWeights& weights, const MatrixF& normalised);

}  // namespace logitfield::kernels::cpu
