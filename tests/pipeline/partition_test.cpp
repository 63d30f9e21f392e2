#include "pipeline/plan/partition.hpp"

#include <gtest/gtest.h>

#include <string>

#include "io/error.hpp"

namespace logitfield {
namespace {

void expect_covers(const std::vector<Slice>& slices, std::int64_t total) {
  std::int64_t next = 0, smallest = total, largest = 0;
  for (const Slice& s : slices) {
    EXPECT_EQ(s.begin, next);
    next = s.end;
    smallest = std::min(smallest, s.size());
    largest = std::max(largest, s.size());
  }
  EXPECT_EQ(next, total);
  EXPECT_LE(largest - smallest, 1);
}

TEST(Partition, CoversEverythingOnceAndEvenly) {
  for (const std::int64_t layers : {1, 5, 80}) {
    for (const std::int64_t kv_heads : {1, 4, 7}) {
      const ModelExtents extents{layers, kv_heads * 3, kv_heads, 512};
      for (int ranks = 1; ranks <= 24; ++ranks) {
        for (const Grid& grid : possible_grids(extents, ranks)) {
          const Partition p = make_partition(extents, grid);
          EXPECT_EQ(grid.ranks(), ranks);
          expect_covers(p.layers, layers);
          expect_covers(p.kv_heads, kv_heads);
          expect_covers(p.vocabulary, 512);
          for (std::size_t s = 0; s < p.heads.size(); ++s) {
            EXPECT_GT(p.kv_heads[s].size(), 0);
            EXPECT_EQ(p.heads[s].begin, 3 * p.kv_heads[s].begin);
            EXPECT_EQ(p.heads[s].end, 3 * p.kv_heads[s].end);
          }
          for (const Slice& l : p.layers) EXPECT_GT(l.size(), 0);
        }
      }
    }
  }
}

TEST(Partition, ThreeRanksFiveLayersFourKvHeads) {
  const ModelExtents extents{5, 8, 4, 512};
  const std::vector<Grid> grids = possible_grids(extents, 3);
  ASSERT_EQ(grids.size(), 2u);
  EXPECT_EQ(grid_text(grids[0]), "1x3");
  EXPECT_EQ(grid_text(grids[1]), "3x1");
}

TEST(Partition, RefusesWithWhatWouldWork) {
  const ModelExtents extents{5, 8, 4, 512};
  try {
    make_partition(extents, {1, 6});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("2x3 or 3x2"), std::string::npos) << error.what();
  }
  EXPECT_THROW(make_partition(extents, {6, 1}), InputError);
  for (const auto& [ranks, named] :
       {std::pair(7, "no grid of 7 ranks works, start 6 or 8"), std::pair(17, "start 16 or 20"),
        std::pair(99, "no grid of 99 ranks works, start 20")}) {
    try {
      make_partition(extents, {1, ranks});
      FAIL();
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  }
  EXPECT_TRUE(possible_grids(extents, 7).empty());
}

TEST(Grid, RanksAndBack) {
  const Grid grid = parse_grid("3x4");
  for (int rank = 0; rank < 12; ++rank) EXPECT_EQ(grid.rank_of(grid.stage_of(rank), grid.shard_of(rank)), rank);
  for (const char* bad : {"", "x", "2", "2x", "x2", "0x1", "1x0", "-1x2", "2x2x2", "2X2", "2x1 ", "99999999999x1"}) {
    EXPECT_THROW(parse_grid(bad), InputError) << bad;
  }
}

}  // namespace
}  // namespace logitfield
