#pragma once
#include <vector>

#include "io/checkpoint/layer_tensors.hpp"
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

/// Some rows of a linear map.
struct MapRows {
  const io::LinearTensors* map = nullptr;
  io::Slice rows;
};

/// The rows of some heads, in few pieces.
std::vector<MapRows> rows_of_heads(const io::HeadTensors& heads, io::Slice which);

/// The matrices that a shard reads of a layer: some by rows, some by columns.
struct LayerPart {
  std::vector<MapRows> by_rows, by_columns;
};
LayerPart part_of(const io::LayerTensors& names, const io::ModelConfig& config, const Shard& shard);

/// The rows that a shard reads of a layer's queries, keys and values, stacked.
std::vector<MapRows> head_rows(const io::LayerTensors& names, const Shard& shard);
/// The rows that a shard reads of a network's gate and up matrices, stacked.
std::vector<MapRows> input_rows(const io::MlpTensors& mlp, Slice rows);
/// Columns of the output matrix of attention.
Slice value_columns(const Shard& shard, const io::ModelConfig& config);

/// Values of a layer's matrices that the shard holds.
std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
