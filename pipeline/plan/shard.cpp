#include "pipeline/plan/shard.hpp"

namespace logitfield {

Shard shard_of(const Partition& partition, int rank) {
  const int s = partition.grid.shard_of(rank);
  return {s, partition.grid.shards, partition.heads[s], partition.kv_heads[s], partition.vocabulary[s]};
}

std::vector<MapRows> rows_of_heads(const io::HeadTensors& heads, Slice which) {
  std::vector<MapRows> out;
  for (std::int64_t h = which.begin; h < which.end; ++h) {
    const std::int64_t begin =
        h / heads.heads_per_block * heads.block + h % heads.heads_per_block * heads.rows_per_head;
    const std::int64_t end = begin + heads.rows_per_head;
    if (!out.empty() && out.back().rows.end == begin) {
      out.back().rows.end = end;
    } else {
      out.push_back({&heads.map, {begin, end}});
    }
  }
  return out;
}

MapPart part_of(const std::vector<io::HeadTensors>& stacked, const io::ModelConfig&, const Shard& shard) {
  MapPart out;
  for (const io::HeadTensors& heads : stacked) {
    const std::vector<MapRows> rows = rows_of_heads(heads, shard.heads_of(heads.heads));
    out.pieces.insert(out.pieces.end(), rows.begin(), rows.end());
  }
  return out;
}

MapPart part_of(const std::optional<io::HeadTensors>& heads, const io::ModelConfig&, const Shard& shard) {
  if (!heads) return {};
  return {rows_of_heads(*heads, shard.heads_of(heads->heads))};
}

MapPart part_of(const std::optional<io::LinearTensors>& whole, const io::ModelConfig&, const Shard&) {
  if (!whole) return {};
  return {{{&*whole, {0, whole->outputs}}}};
}

MapPart part_of(const io::LinearTensors& by_columns, const io::ModelConfig& config, const Shard& shard) {
  return {{{&by_columns, {shard.heads.begin * config.value_dim, shard.heads.end * config.value_dim}}}, true};
}

NetworkPart part_of(const io::MlpTensors& network, Slice rows) {
  NetworkPart out{{{{&network.up, rows}}}, {{{&network.down, rows}}, true}};
  if (network.gate) out.up.pieces.insert(out.up.pieces.begin(), {&*network.gate, rows});
  return out;
}

std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard) {
  std::int64_t values = 0;
  visit_parts(io::layer_tensors(config, layer), config, shard, [&](const MapPart& part) {
    for (const MapRows& piece : part.pieces) {
      values += piece.rows.size() * (part.by_columns ? piece.map->outputs : piece.map->inputs);
    }
  });
  return values;
}

}  // namespace logitfield
