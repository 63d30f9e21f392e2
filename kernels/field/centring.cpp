#include "kernels/field/centring.hpp"

#include <cmath>

#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

using RowVector = Eigen::RowVectorXd;

/// Sum of the rows, and sum of their squares.
struct ColumnSums {
  RowVector columns;
  double squares = 0;
};

/// Sums over this rank's rows, tile by tile, so that rounding grows with the number of tiles.
ColumnSums sums_of(const FactorRows& rows) {
  ColumnSums out{RowVector::Zero(rows.width()), 0};
  RowVector tile_sum(rows.width());
  Matrix tile;
  for_tiles(rows.rows(), kTileRows, [&](Index begin, Index count) {
    rows.tile(begin, count, tile);
    tile_sum.setZero();
    for (Index r = 0; r < count; ++r) tile_sum += tile.row(r);
    out.columns += tile_sum;
    out.squares += tile.squaredNorm();
  });
  return out;
}

}  // namespace

CentredKeys centred_keys(const Team& team, const MatrixFRef& keys, const Placement& placement) {
  const double length = static_cast<double>(placement.length);
  CentredKeys out{FactorRows(keys), {}, 0};
  ColumnSums sums = sums_of(out.rows);
  out.raw_norm = std::sqrt(sum_over(team, sums.squares));
  out.mean = std::move(sums.columns);
  team.sum(as_span(out.mean));
  out.mean /= length;
  out.rows.subtract(out.mean);
  // The share of the norm left by the mean decides at once, unless the keys are nearly constant.
  const double left = 1 - length * out.mean.squaredNorm() / (out.raw_norm * out.raw_norm);
  const double rounding = 4 * std::sqrt(length) * kEpsilon;
  const bool doubtful = !(left > 1e-6);
  if (doubtful && std::sqrt(sum_over(team, sums_of(out.rows).squares)) <= rounding * out.raw_norm) out.rows.vanish();
  return out;
}

FactorRows field_queries(const MatrixFRef& queries, const LogitForm& form) {
  FactorRows out(queries, form.scale);
  if (form.alibi_slope != 0) out.append(Vector::Constant(queries.rows(), form.alibi_slope));
  return out;
}

FactorRows field_keys(const CentredKeys& keys, const LogitForm& form, const Placement& placement) {
  FactorRows out = keys.rows;
  if (form.alibi_slope != 0) {
    const double first = static_cast<double>(placement.first_row) - 0.5 * static_cast<double>(placement.length - 1);
    out.append(Vector::LinSpaced(out.rows(), first, first + static_cast<double>(out.rows() - 1)));
  }
  return out;
}

Vector causal_means(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement) {
  RowVector sum = team.size() > 1 ? sums_of(b).columns : RowVector::Zero(b.width());
  team.sum_before(as_span(sum));
  Vector means(a.rows());
  Matrix queries, keys;
  for_tiles(a.rows(), kTileRows, [&](Index begin, Index count) {
    a.tile(begin, count, queries);
    b.tile(begin, count, keys);
    for (Index r = 0; r < count; ++r) {
      sum += keys.row(r);
      means[begin + r] = queries.row(r).dot(sum) / static_cast<double>(placement.first_row + begin + r + 1);
    }
  });
  return means;
}

}  // namespace logitfield::kernels
