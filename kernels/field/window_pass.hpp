#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "kernels/field/factor_rows.hpp"
#include "kernels/field/sliding_sum.hpp"
#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// A pass through a context whose field is masked by a window or chunks. Forwards, a row is a query and meets the keys
/// that it sees; backwards, a row is a key and meets the queries that see it. Either way a row meets the row at its own
/// time and some earlier ones. Times count along the pass, positions along the context.
struct WindowPass {
  bool forwards = true;
  Visible visible;
  Index length = 0;

  /// Returns the first time that the row at `time` meets; it never decreases.
  Index first(Index time) const {
    return forwards ? visible.first_key(time) : length - 1 - visible.last_query(length - 1 - time, length);
  }
  /// Turns times into positions, or positions into times.
  Range turned(Range r) const { return forwards ? r : Range{length - r.end, length - r.begin}; }
  /// Returns the positions that the row at `position` meets.
  Range met(Index position) const {
    return forwards ? Range{visible.first_key(position), position + 1}
                    : Range{position, visible.last_query(position, length) + 1};
  }
};

/// A tile of `rows`, given by times. `whole`: the tiles that each row meets in full; their sums are used. `rest`: the
/// other rows that they meet, before and after the whole tiles. These are fewer than four tiles, in which logits are
/// formed.
struct WindowTile {
  Range rows, whole;
  std::array<Range, 2> rest;
};

/// Splits this rank's rows into tiles of at most `tile_rows` rows. Whole tiles begin at multiples of tile_rows from the
/// first time that any of the rows meets.
std::vector<WindowTile> window_tiles(const WindowPass& pass, Range own_times, Index tile_rows);

/// Calls visit(tile, sums) for every tile in order; `sums` is null, or the sum of sum_of(times) over its whole tiles.
template <class S, class SumOf, class Visit>
void slide(const std::vector<WindowTile>& tiles, Index tile_rows, SumOf&& sum_of, Visit&& visit) {
  SlidingSum<S> sliding;
  Range held;
  S work;
  for (const WindowTile& tile : tiles) {
    if (tile.whole.size() == 0) {
      visit(tile, static_cast<const S*>(nullptr));
      continue;
    }
    if (held.end <= tile.whole.begin) {
      sliding.clear();
      held = {tile.whole.begin, tile.whole.begin};
    }
    for (; held.end < tile.whole.end; held.end += tile_rows)
      sliding.push(sum_of(Range{held.end, held.end + tile_rows}));
    for (; held.begin < tile.whole.begin; held.begin += tile_rows) sliding.pop();
    visit(tile, &sliding.sum(work));
  }
}

/// The rows of one rank, and those of other ranks that its rows meet (its halo), by their positions.
class Surroundings {
 public:
  /// `own`: this rank's positions. Collective.
  Surroundings(const Team& team, const WindowPass& pass, Range own) : Surroundings(team, own, wanted(pass, own)) {}
  /// Positions held by other ranks.
  Range halo() const { return halo_; }

  /// Fetches the halo's rows [halo().size(), width]; rows_of(positions, out) makes this rank's rows. Collective.
  template <class RowsOf>
  Matrix fetch(Index width, RowsOf&& rows_of) const {
    Matrix found(halo_.size(), width), part;
    for (int rank = 0; rank < team_.size(); ++rank) {
      const Range wanted = all_[static_cast<std::size_t>(rank)];
      if (wanted.size() == 0) continue;
      Matrix rows = Matrix::Zero(wanted.size(), width);
      const Range shared{std::max(wanted.begin, own_.begin), std::min(wanted.end, own_.end)};
      if (shared.size() > 0) {
        rows_of(shared, part);
        rows.middleRows(shared.begin - wanted.begin, shared.size()) = part;
      }
      sum_over(team_, rows);
      if (rank == team_.rank()) found = std::move(rows);
    }
    return found;
  }
  Matrix fetch(const FactorRows& rows) const;
  /// Rows at `positions`, from the halo and this rank's own.
  void rows(const FactorRows& own, const Matrix& halo, Range positions, Matrix& out) const;
  /// Values [n, p] at the halo's and own positions, in the order of positions; `work` is scratch. Collective.
  const Matrix& around(const Matrix& values, Matrix& work) const;
  /// The first position of `around`.
  Index begin() const { return halo_.size() > 0 ? std::min(halo_.begin, own_.begin) : own_.begin; }

 private:
  Surroundings(const Team& team, Range own, Range wanted);
  static Range wanted(const WindowPass& pass, Range own);

  const Team& team_;
  Range own_, halo_;
  /// The halos of all ranks.
  std::vector<Range> all_;
};

}  // namespace logitfield::kernels
