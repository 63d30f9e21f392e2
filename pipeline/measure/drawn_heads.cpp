#include "pipeline/measure/drawn_heads.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/field/row_moments.hpp"
#include "kernels/random.hpp"
#include "kernels/tiles.hpp"

namespace logitfield {
namespace {

using kernels::MatrixF;

constexpr std::int64_t kTile = 16384;

/// Calls visit(tile, matrices) for the rows of a context; the matrices of the group are its keys, then its queries.
template <class Visit>
void for_tiles(const HeadSource& source, std::int64_t kv_head, std::int64_t context, Visit&& visit) {
  for (std::int64_t begin = 0; begin < context; begin += kTile) {
    const Slice tile{begin, std::min(begin + kTile, context)};
    const GroupRows rows = source.rows(kv_head, tile);
    std::vector<const MatrixF*> matrices{&rows.keys};
    for (const MatrixF& queries : rows.queries) matrices.push_back(&queries);
    visit(tile, matrices);
  }
}

GroupRows group_of(std::vector<MatrixF> matrices) {
  GroupRows out;
  out.keys = std::move(matrices.front());
  out.queries.assign(std::make_move_iterator(matrices.begin() + 1), std::make_move_iterator(matrices.end()));
  return out;
}

/// A random permutation of `rows` rows (Fisher-Yates shuffle).
std::vector<std::int64_t> permutation(std::int64_t rows, std::uint64_t seed) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(rows));
  std::iota(out.begin(), out.end(), 0);
  for (std::int64_t i = rows - 1; i > 0; --i) {
    // The remainder's bias is below 2^-43 for a million rows.
    const auto other = kernels::stream_seed(seed, static_cast<std::uint64_t>(i)) % static_cast<std::uint64_t>(i + 1);
    std::swap(out[static_cast<std::size_t>(i)], out[other]);
  }
  return out;
}

}  // namespace

std::uint64_t DrawnHeads::seed_of(std::int64_t kv_head, std::size_t member) const {
  return kernels::stream_seed(kernels::stream_seed(seed_, static_cast<std::uint64_t>(kv_head)), member);
}

GroupRows DrawnHeads::rows(std::int64_t kv_head, Slice rows) const {
  return shuffled_ ? shuffled(kv_head, rows) : gaussian(kv_head, rows);
}

GroupRows DrawnHeads::gaussian(std::int64_t kv_head, Slice rows) const {
  std::vector<kernels::RowMoments> moments;
  for_tiles(source_, kv_head, context_, [&](Slice, const std::vector<const MatrixF*>& matrices) {
    for (std::size_t m = moments.size(); m < matrices.size(); ++m) moments.emplace_back(matrices[m]->cols());
    for (std::size_t m = 0; m < matrices.size(); ++m) moments[m].add_to_mean(*matrices[m]);
  });
  for_tiles(source_, kv_head, context_, [&](Slice, const std::vector<const MatrixF*>& matrices) {
    for (std::size_t m = 0; m < matrices.size(); ++m) moments[m].add_to_squares(*matrices[m]);
  });
  std::vector<MatrixF> drawn;
  for (std::size_t m = 0; m < moments.size(); ++m) {
    drawn.push_back(kernels::GaussianLike(moments[m], seed_of(kv_head, m)).rows(rows.begin, rows.size()));
  }
  return group_of(std::move(drawn));
}

GroupRows DrawnHeads::shuffled(std::int64_t kv_head, Slice rows) const {
  std::vector<std::vector<std::int64_t>> places;
  std::vector<MatrixF> drawn;
  for_tiles(source_, kv_head, context_, [&](Slice tile, const std::vector<const MatrixF*>& matrices) {
    for (std::size_t m = drawn.size(); m < matrices.size(); ++m) {
      places.push_back(permutation(context_, seed_of(kv_head, m)));
      drawn.emplace_back(rows.size(), matrices[m]->cols());
    }
    for (std::size_t m = 0; m < matrices.size(); ++m) {
      for (std::int64_t i = tile.begin; i < tile.end; ++i) {
        const std::int64_t place = places[m][static_cast<std::size_t>(i)] - rows.begin;
        if (place >= 0 && place < rows.size()) drawn[m].row(place) = matrices[m]->row(i - tile.begin);
      }
    }
  });
  return group_of(std::move(drawn));
}

}  // namespace logitfield
