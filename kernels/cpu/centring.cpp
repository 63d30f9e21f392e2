#include "kernels/cpu/centring.hpp"

#include <cmath>
#include <limits>

namespace logitfield::kernels::cpu {
namespace {

using RowVector = Eigen::RowVectorXd;

/// Sum over this rank's rows, tile by tile, so that rounding grows with the number of tiles.
RowVector column_sums(const FactorRows& rows) {
  RowVector total = RowVector::Zero(rows.width());
  Matrix tile;
  for_tiles(rows.rows(), kTileRows, [&](Index begin, Index count) {
    rows.tile(begin, count, tile);
    RowVector sum = tile.row(0);
    for (Index r = 1; r < count; ++r) sum += tile.row(r);
    total += sum;
  });
  return total;
}

double squared_norm(const FactorRows& rows) {
  double total = 0;
  Matrix tile;
  for_tiles(rows.rows(), kTileRows, [&](Index begin, Index count) {
    rows.tile(begin, count, tile);
    total += tile.squaredNorm();
  });
  return total;
}

std::span<double> as_span(RowVector& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

}  // namespace

CentredKeys centred_keys(const Team& team, const MatrixFRef& keys, const Placement& placement) {
  const double length = static_cast<double>(placement.length);
  CentredKeys out{FactorRows(keys), {}, 0, 0};
  out.raw_norm = std::sqrt(sum_over(team, squared_norm(out.rows)));
  out.mean = column_sums(out.rows);
  team.sum(as_span(out.mean));
  out.mean /= length;
  out.rows.subtract(out.mean);
  out.norm = std::sqrt(sum_over(team, squared_norm(out.rows)));
  const double rounding = 4 * std::sqrt(length) * std::numeric_limits<double>::epsilon();
  if (out.norm <= rounding * out.raw_norm) {
    out.rows.vanish();
    out.norm = 0;
  }
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
  RowVector sum = column_sums(b);
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

}  // namespace logitfield::kernels::cpu
