#pragma once
#include "io/checkpoint.hpp"
#include "kernels/block.hpp"
#include "pipeline/partition.hpp"

namespace logitfield {

/// Rows of the output matrix that are in memory at a time for the loss.
inline constexpr std::int64_t kOutputTileRows = 2048;

/// The part of every layer that one shard computes.
struct Shard {
  Slice heads, kv_heads, mlp_rows, vocabulary;
  /// Adds the output biases, which must be added once.
  bool first = true;
};
Shard shard_of(const Partition& partition, int rank);

kernels::BlockShape block_shape(const io::ModelConfig& config, const Shard& shard);

/// Reads the shard's rows of one layer (columns of the output and down matrices) as float32. `out` may hold another
/// layer's weights: its memory is used again, since fresh memory costs as much to clear as the weights to convert.
void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::LayerWeights& out);
/// Asks the system to start reading them.
void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard);

/// Rows of the token embedding [tokens, hidden_size].
kernels::MatrixF embed(const io::Checkpoint& checkpoint, std::span<const std::int32_t> tokens);
/// Rows of the output matrix [rows.size(), hidden_size].
kernels::MatrixF load_output_rows(const io::Checkpoint& checkpoint, Slice rows);
kernels::VectorF load_final_norm(const io::Checkpoint& checkpoint);

}  // namespace logitfield
