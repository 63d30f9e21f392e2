#pragma once
#include "io/checkpoint/checkpoint.hpp"
#include "kernels/block.hpp"
#include "pipeline/plan/shard.hpp"

namespace logitfield {

/// The block that a shard computes of a layer.
kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

/// Reads the shard's rows of one layer (columns of the output and down matrices) in the numbers that products of this
/// precision take in. `out` may hold another layer's weights: its memory is used again, since fresh memory costs as
/// much to clear as the weights to convert.
void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::Precision precision,
                kernels::LayerWeights& out);
/// Asks the system to start reading them.
void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
