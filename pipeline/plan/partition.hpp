#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/job/extents.hpp"

namespace logitfield {

/// Ranks = stages x shards: rank = stage * shards + shard.
struct Grid {
  int stages = 1, shards = 1;

  int ranks() const { return stages * shards; }
  int stage_of(int rank) const { return rank / shards; }
  int shard_of(int rank) const { return rank % shards; }
  int rank_of(int stage, int shard) const { return stage * shards + shard; }
};

/// "2x1" -> {2, 1}; throws InputError for anything else.
Grid parse_grid(const std::string& text);
std::string grid_text(const Grid& grid);

/// The layers of each stage; the heads and vocabulary of each shard. Plain data.
struct Partition {
  Grid grid;
  /// The layers of each stage.
  std::vector<Slice> layers;
  /// The slices of each shard.
  std::vector<Slice> kv_heads, heads, vocabulary;
};

/// Divides the extents into contiguous ranges whose sizes differ by at most one. Throws InputError, saying which grids
/// work, if a stage would have no layer or a shard no KV head.
Partition make_partition(const ModelExtents& extents, const Grid& grid);

/// Divides [0, total) into `parts` ranges whose sizes differ by at most one, larger ones first.
std::vector<Slice> divide(std::int64_t total, int parts);

/// The grids of `ranks` ranks that make_partition accepts, most shards first.
std::vector<Grid> possible_grids(const ModelExtents& extents, int ranks);

}  // namespace logitfield
