#pragma once
#include "io/checkpoint/checkpoint.hpp"
#include "kernels/block.hpp"
#include "pipeline/plan/shard.hpp"

namespace logitfield {

/// The shape of the part of a layer that a shard computes, with the logit forms of its heads.
kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard,
                                std::vector<kernels::LogitForm> forms);

/// Reads the shard's rows of one layer (columns of the output and down matrices) in the operand type of products of
/// this precision. `out` may hold another layer's weights: its memory is used again, since clearing fresh memory costs
/// as much as converting the weights.
void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::Precision precision,
                kernels::LayerWeights& out);
/// Asks the system to start reading these weights.
void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
