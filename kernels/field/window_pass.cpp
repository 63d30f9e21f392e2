#include "kernels/field/window_pass.hpp"

namespace logitfield::kernels {

std::vector<WindowTile> window_tiles(const WindowPass& pass, Range own, Index tile_rows) {
  std::vector<WindowTile> out;
  const Index origin = own.size() > 0 ? pass.first(own.begin) : 0;
  const auto down = [&](Index time) { return origin + (time - origin) / tile_rows * tile_rows; };
  for (Index begin = own.begin; begin < own.end;) {
    Index end = std::min(begin + tile_rows, own.end);
    const Index first = pass.first(begin);
    while (pass.first(end - 1) - first >= tile_rows) --end;  // a chunk begins inside the tile
    WindowTile tile{{begin, end}, {down(pass.first(end - 1) + tile_rows - 1), down(begin)}, {}};
    if (tile.whole.size() > 0) {
      tile.rest = {Range{first, tile.whole.begin}, Range{tile.whole.end, end}};
    } else {
      tile.whole = {};
      tile.rest = {Range{first, end}, Range{end, end}};
    }
    out.push_back(tile);
    begin = end;
  }
  return out;
}

Range Surroundings::wanted(const WindowPass& pass, Range own) {
  if (own.size() == 0) return {};
  const Range times = pass.turned(own);
  return pass.turned({pass.first(times.begin), times.begin});
}

Surroundings::Surroundings(const Team& team, Range own, Range wanted) : team_(team), own_(own), halo_(wanted) {
  Matrix ends(1, 2);
  ends << static_cast<double>(wanted.begin), static_cast<double>(wanted.end);
  const Matrix all = team.size() > 1 ? team.stack(ends) : ends;
  for (Index r = 0; r < all.rows(); ++r) all_.push_back({static_cast<Index>(all(r, 0)), static_cast<Index>(all(r, 1))});
}

Matrix Surroundings::fetch(const FactorRows& rows) const {
  return fetch(rows.width(),
               [&](Range positions, Matrix& out) { rows.tile(positions.begin - own_.begin, positions.size(), out); });
}

void Surroundings::rows(const FactorRows& own, const Matrix& halo, Range positions, Matrix& out) const {
  if (positions.begin >= own_.begin && positions.end <= own_.end) {
    own.tile(positions.begin - own_.begin, positions.size(), out);
    return;
  }
  out.resize(positions.size(), own.width());
  const Range ours{std::max(positions.begin, own_.begin), std::min(positions.end, own_.end)};
  const Range others{std::max(positions.begin, halo_.begin), std::min(positions.end, halo_.end)};
  if (ours.size() > 0) {
    Matrix part;
    own.tile(ours.begin - own_.begin, ours.size(), part);
    out.middleRows(ours.begin - positions.begin, ours.size()) = part;
  }
  if (others.size() > 0) {
    out.middleRows(others.begin - positions.begin, others.size()) =
        halo.middleRows(others.begin - halo_.begin, others.size());
  }
}

const Matrix& Surroundings::around(const Matrix& values, Matrix& work) const {
  if (team_.size() == 1) return values;
  const Matrix halo = fetch(values.cols(), [&](Range positions, Matrix& out) {
    out = values.middleRows(positions.begin - own_.begin, positions.size());
  });
  work.resize(halo_.size() + values.rows(), values.cols());
  const bool before = halo_.begin < own_.begin;
  work.middleRows(before ? 0 : values.rows(), halo_.size()) = halo;
  work.middleRows(before ? halo_.size() : 0, values.rows()) = values;
  return work;
}

}  // namespace logitfield::kernels
