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

std::vector<MapRows> head_rows(const io::LayerTensors& names, const Shard& shard) {
  std::vector<MapRows> out = rows_of_heads(names.query, shard.heads);
  for (const auto* part : {&names.key, &names.value}) {
    if (!*part) continue;
    const std::vector<MapRows> rows = rows_of_heads(**part, shard.kv_heads);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::vector<MapRows> input_rows(const io::MlpTensors& mlp, Slice rows) {
  std::vector<MapRows> out;
  if (mlp.gate) out.push_back({&*mlp.gate, rows});
  out.push_back({&mlp.up, rows});
  return out;
}

Slice value_columns(const Shard& shard, const io::ModelConfig& config) {
  return {shard.heads.begin * config.value_dim, shard.heads.end * config.value_dim};
}

LayerPart part_of(const io::LayerTensors& names, const io::ModelConfig& config, const Shard& shard) {
  LayerPart out{head_rows(names, shard), {}};
  const auto add_mlp = [&](const io::MlpTensors& mlp, Slice rows) {
    for (const MapRows& part : input_rows(mlp, rows)) out.by_rows.push_back(part);
    out.by_columns.push_back({&mlp.down, rows});
  };
  for (const auto* map : {&names.query_down, &names.key_value_down}) {
    if (*map) out.by_rows.push_back({&**map, {0, (*map)->outputs}});
  }
  if (names.key_value_up) {
    for (const MapRows& rows : rows_of_heads(*names.key_value_up, shard.heads)) out.by_rows.push_back(rows);
  }
  out.by_columns.push_back({&names.output, value_columns(shard, config)});
  if (names.mlp) add_mlp(*names.mlp, shard.part(names.mlp->up.outputs));
  const Slice own = shard.part(std::ssize(names.experts));
  for (std::int64_t e = own.begin; e < own.end; ++e) {
    add_mlp(names.experts[static_cast<std::size_t>(e)], {0, config.expert_size});
  }
  return out;
}

std::int64_t layer_values(const io::ModelConfig& config, std::int64_t layer, const Shard& shard) {
  const io::LayerTensors names = io::layer_tensors(config, layer);
  const LayerPart part = part_of(names, config, shard);
  std::int64_t values = 0;
  for (const MapRows& rows : part.by_rows) values += rows.rows.size() * rows.map->inputs;
  for (const MapRows& columns : part.by_columns) values += columns.rows.size() * columns.map->outputs;
  return values;
}

}  // namespace logitfield
