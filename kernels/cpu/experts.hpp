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

/// Returns the weight of the expert that every token visits, from the logit of its router.
float share_of_shared_expert(float logit);
/// Weights that expert's output `out` [L, hidden_size] in this way.
void weigh_shared_expert(const MatrixF& router, const MatrixFRef& normalised, MatrixF& out);

/// Adds the weighted outputs of this shard's experts to `out` [L, hidden_size], from normalised hidden states [L,
/// hidden_size].
void add_experts(const BlockShape& shape, const LayerWeights& weights, const MatrixFRef& normalised, MatrixF& out);

}  // namespace logitfield::kernels::cpu
