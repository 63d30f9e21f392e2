#pragma once
#include <vector>

#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// A token's expert and the weight of what the expert says.
struct Choice {
  Index expert = 0;
  float weight = 0;
};

/// The choices for one token from its router logits (softmax or sigmoid scores, groups, bias: see io::Routing); equal
/// scores go to the lower number. Throws std::runtime_error at a logit that is not finite.
std::vector<Choice> choose_experts(const io::Routing& routing, const VectorF& logits, const VectorF& bias);

/// Adds what this shard's experts say to `out` [L, hidden_size], from normalised hidden states [L, hidden_size].
void add_experts(const BlockShape& shape, const LayerWeights& weights, const MatrixFRef& normalised, MatrixF& out);

}  // namespace logitfield::kernels::cpu
