#pragma once
#include <vector>

#include "io/checkpoint/layer_tensors.hpp"
#include "pipeline/plan/partition.hpp"

namespace logitfield {

/// Number of rows of the output matrix that the loss keeps in memory at a time.
inline constexpr std::int64_t kOutputTileRows = 2048;

/// The part of every layer that one shard computes: some heads, some rows of every network, some experts.
struct Shard {
  int index = 0, count = 1;
  Slice heads, kv_heads, vocabulary;

  /// This shard's part of `total` rows or experts.
  Slice part(std::int64_t total) const { return divide(total, count)[static_cast<std::size_t>(index)]; }
  /// Its heads of a kind.
  Slice heads_of(io::HeadKind kind) const { return kind == io::HeadKind::query ? heads : kv_heads; }
  /// Whether this shard adds the output biases, which must be added only once.
  bool first() const { return index == 0; }
};
Shard shard_of(const Partition& partition, int rank);

/// Some rows, or columns, of a linear map.
struct MapRows {
  const io::LinearTensors* map = nullptr;
  io::Slice rows;
};

/// The part of one map of a layer that a shard reads: stacked rows of one or several tensors, or columns of one.
struct MapPart {
  std::vector<MapRows> pieces;
  bool by_columns = false;
};

/// The rows of some heads, in few pieces.
std::vector<MapRows> rows_of_heads(const io::HeadTensors& heads, io::Slice which);

/// The part of a layer's map that the shard reads, by the kind of the map: rows of its heads, all rows, or columns of
/// its heads' values.
MapPart part_of(const std::vector<io::HeadTensors>& stacked, const io::ModelConfig& config, const Shard& shard);
MapPart part_of(const std::optional<io::HeadTensors>& heads, const io::ModelConfig& config, const Shard& shard);
MapPart part_of(const std::optional<io::LinearTensors>& whole, const io::ModelConfig& config, const Shard& shard);
MapPart part_of(const io::LinearTensors& by_columns, const io::ModelConfig& config, const Shard& shard);

/// Some hidden rows of a feed-forward network: the stacked rows of gate and up, and the columns of down.
struct NetworkPart {
  MapPart up, down;
};
NetworkPart part_of(const io::MlpTensors& network, Slice rows);

/// Calls visit(part) for every matrix that the shard reads of a layer, experts included.
template <class Visit>
void visit_parts(const io::LayerTensors& layer, const io::ModelConfig& config, const Shard& shard, const Visit& visit) {
  io::visit_maps([&](const auto& map) { visit(part_of(map, config, shard)); }, layer);
  const auto visit_network = [&](const io::MlpTensors& network, Slice rows) {
    const NetworkPart part = part_of(network, rows);
    visit(part.up);
    visit(part.down);
  };
  if (layer.mlp) visit_network(*layer.mlp, shard.part(layer.mlp->up.outputs));
  const Slice own = shard.part(std::ssize(layer.experts));
  for (std::int64_t e = own.begin; e < own.end; ++e) visit_network(layer.experts[e], {0, config.expert_size});
}

/// Number of matrix values of a layer that the shard holds.
std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard);

}  // namespace logitfield
