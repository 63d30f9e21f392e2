#pragma once
#include "io/checkpoint/checkpoint.hpp"
#include "kernels/block.hpp"
#include "pipeline/plan/partition.hpp"

namespace logitfield {

/// Rows of the output matrix that are in memory at a time for the loss.
inline constexpr std::int64_t kOutputTileRows = 2048;

/// The part of every layer that one shard computes: some heads, some rows of every network, some experts.
struct Shard {
  int index = 0, count = 1;
  Slice heads, kv_heads, vocabulary;

  /// This shard's part of `total` rows or experts.
  Slice part(std::int64_t total) const { return divide(total, count)[static_cast<std::size_t>(index)]; }
  /// Adds the output biases, which must be added once.
  bool first() const { return index == 0; }
};
Shard shard_of(const Partition& partition, int rank);

/// A head's logits, the same in all layers but for the keys that a layer shows; and the block that a shard computes of
/// a layer.
kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head);
kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer);
kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

/// Reads the shard's rows of one layer (columns of the output and down matrices) in the numbers that products of this
/// precision take in. `out` may hold another layer's weights: its memory is used again, since fresh memory costs as
/// much to clear as the weights to convert.
void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::Precision precision,
                kernels::LayerWeights& out);
/// Asks the system to start reading them.
void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard);

/// Values of a layer's matrices that the shard holds.
std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
