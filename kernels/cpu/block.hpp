#pragma once
#include "kernels/backend.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels::cpu {

/// The halves of a decoder block on one core; see Backend.
void attention_half(const BlockShape& shape, const LayerWeights& weights, const Team& shards, const MatrixF& hidden,
                    Precision precision, MatrixF& partial, QueriesKeys& queries_keys);
void mlp_half(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden, MatrixF& partial);

}  // namespace logitfield::kernels::cpu
