#pragma once
#include <vector>

#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// One expert chosen for a token, and the weight of its output.
struct Choice {
  Index expert = 0;
  float weight = 0;
};

/// Chooses the experts of one token from its router logits (softmax or sigmoid scores, groups, bias: see io::Routing).
/// Of equal scores, the lower number is chosen. Throws std::runtime_error at a logit that is not finite.
std::vector<Choice> choose_experts(const io::Routing& routing, const VectorF& logits, const VectorF& bias);

/// Adds the weighted outputs of this shard's experts to `out` [L, hidden_size], from normalised hidden states [L,
/// hidden_size].
void add_experts(const BlockShape& shape, const LayerWeights& weights, const MatrixFRef& normalised, MatrixF& out);

}  // namespace logitfield::kernels::cpu
