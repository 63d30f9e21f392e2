#pragma once
#include "io/checkpoint.hpp"
#include "kernels/block.hpp"
#include "pipeline/partition.hpp"

namespace logitfield {

/// Rows of the output matrix held in memory at a time for the loss.
inline constexpr std::int64_t kOutputTileRows = 2048;

/// The part of every layer that one shard computes: some heads, some rows of every network, some experts.
struct Shard {
  int index = 0, count = 1;
  Slice heads, kv_heads, vocabulary;

  /// This shard's part of `total` rows or experts.
  Slice part(std::int64_t total) const { return divide(total, count)[static_cast<std::size_t>(index)]; }
  /// Whether this shard adds the output biases, which must be added once.
  bool first() const { return index == 0; }
};
Shard shard_of(const Partition& partition, int rank);

/// A head's logit form, the same in all layers except for the visible keys; the visible keys of a layer; and the part
/// of a layer that a shard computes.
kernels::LogitForm logit_form(const io::ModelConfig& config, std::int64_t head);
kernels::Visible visible_keys(const io::ModelConfig& config, std::int64_t layer);
kernels::BlockShape block_shape(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

/// Reads the shard's rows of one layer (columns of the output and down matrices) in the operand type of this precision.
/// `out` may hold another layer's weights; its memory is reused, since clearing fresh memory costs as much as
/// converting the weights.
void load_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard, kernels::Precision precision,
                kernels::LayerWeights& out);
/// Asks the system to start reading the same data.
void prefetch_layer(const io::Checkpoint& checkpoint, std::int64_t layer, const Shard& shard);

/// Number of values in a layer's matrices that the shard holds.
std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
