#include "pipeline/plan/partition.hpp"

#include <fmt/ranges.h>

#include <charconv>

#include "io/error.hpp"

namespace logitfield {
namespace {

bool fits(const ModelExtents& extents, const Grid& grid) {
  return grid.stages <= extents.num_layers && grid.shards <= extents.num_kv_heads;
}

/// "10 or 12": the next numbers of ranks, to either side, that some grid works with.
std::string next_rank_counts(const ModelExtents& extents, int ranks) {
  std::vector<int> out;
  const auto works = [&](int count) { return !possible_grids(extents, count).empty(); };
  int fewer = ranks - 1;
  while (fewer > 1 && !works(fewer)) --fewer;
  out.push_back(fewer);
  const std::int64_t most = std::min(extents.num_layers * extents.num_kv_heads, std::int64_t{1} << 20);
  for (int more = ranks + 1; more <= most; ++more) {
    if (!works(more)) continue;
    out.push_back(more);
    break;
  }
  return fmt::format("{}", fmt::join(out, " or "));
}

}  // namespace

Grid parse_grid(const std::string& text) {
  Grid grid{0, 0};
  const char* end = text.data() + text.size();
  const auto stages = std::from_chars(text.data(), end, grid.stages);
  if (stages.ec == std::errc{} && stages.ptr != end && *stages.ptr == 'x') {
    const auto shards = std::from_chars(stages.ptr + 1, end, grid.shards);
    if (shards.ec == std::errc{} && shards.ptr == end && grid.stages > 0 && grid.shards > 0) return grid;
  }
  throw InputError("--grid {}: expected STAGESxSHARDS, for example 2x1", text);
}

std::string grid_text(const Grid& grid) { return fmt::format("{}x{}", grid.stages, grid.shards); }

std::vector<Slice> divide(std::int64_t total, int parts) {
  std::vector<Slice> out;
  const std::int64_t size = total / parts, larger = total % parts;
  std::int64_t begin = 0;
  for (int p = 0; p < parts; ++p) {
    const std::int64_t end = begin + size + (p < larger ? 1 : 0);
    out.push_back({begin, end});
    begin = end;
  }
  return out;
}

std::vector<Grid> possible_grids(const ModelExtents& extents, int ranks) {
  std::vector<Grid> out;
  for (int shards = ranks; shards >= 1; --shards) {
    const Grid grid{ranks / shards, shards};
    if (ranks % shards == 0 && fits(extents, grid)) out.push_back(grid);
  }
  return out;
}

Partition make_partition(const ModelExtents& extents, const Grid& grid) {
  if (!fits(extents, grid)) {
    std::vector<std::string> others;
    for (const Grid& other : possible_grids(extents, grid.ranks())) others.push_back(grid_text(other));
    throw InputError(
        "a grid of {} stages x {} shards cannot hold {} layers and {} KV heads: every stage needs a layer and every "
        "shard a KV head; {}",
        grid.stages, grid.shards, extents.num_layers, extents.num_kv_heads,
        others.empty()
            ? fmt::format("no grid of {} ranks works, start {}", grid.ranks(), next_rank_counts(extents, grid.ranks()))
            : fmt::format("with {} ranks use --grid {}", grid.ranks(), fmt::join(others, " or ")));
  }
  Partition out{grid,
                divide(extents.num_layers, grid.stages),
                divide(extents.num_kv_heads, grid.shards),
                {},
                divide(extents.vocab_size, grid.shards)};
  const std::int64_t group = extents.num_heads / extents.num_kv_heads;
  for (const Slice& kv : out.kv_heads) out.heads.push_back({kv.begin * group, kv.end * group});
  return out;
}

}  // namespace logitfield
