#include "kernels/field/causal_field.hpp"

#include "kernels/field/summed_rows.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// Calls visit(begin, count) for the tiles of `rows` rows, from the first or from the last.
template <class Visit>
void for_tiles_towards(bool forwards, Index rows, Index tile_rows, Visit&& visit) {
  const Index tiles = (rows + tile_rows - 1) / tile_rows;
  for (Index t = 0; t < tiles; ++t) {
    const Index begin = (forwards ? t : tiles - 1 - t) * tile_rows;
    visit(begin, std::min(tile_rows, rows - begin));
  }
}

/// Sums over all of this rank's rows, if other ranks need them.
SummedRows own_sums(const Team& team, const FactorRows& x, const Vector& weights) {
  SummedRows out(x.width());
  if (team.size() == 1) return out;
  Matrix rows;
  for_tiles(x.rows(), kTileRows, [&](Index begin, Index count) {
    x.tile(begin, count, rows);
    out.add(rows, weights.segment(begin, count));
  });
  return out;
}

/// Returns the row means of a tile, and adds the squares of its own centred logits to keys and queries.
Vector add_tile(const Matrix& a, const Matrix& b, const Vector& before, Index first, Matrix& logits,
                Eigen::Ref<Vector> keys, Eigen::Ref<Vector> queries) {
  logits.noalias() = a * b.transpose();
  Vector means(a.rows());
  for (Index r = 0; r < a.rows(); ++r) {
    auto row = logits.row(r).head(r + 1);
    means[r] = (before[r] + row.sum()) / static_cast<double>(first + r + 1);
    row = (row.array() - means[r]).square();
    queries[r] = row.sum();
    keys.head(r + 1) += row;
  }
  return means;
}

/// a^T x over this rank's rows [w, p].
Matrix transpose_times(const FactorRows& a, const Matrix& x) {
  Matrix out = Matrix::Zero(a.width(), x.cols()), rows;
  for_tiles(a.rows(), kTileRows, [&](Index begin, Index count) {
    a.tile(begin, count, rows);
    out.noalias() += rows.transpose() * x.middleRows(begin, count);
  });
  return out;
}

}  // namespace

CausalField causal_field(FactorRows a, FactorRows b, const Vector& means) {
  a.append(-means);
  b.append(Vector::Ones(b.rows()));
  return {std::move(a), std::move(b)};
}

CausalEnergies causal_energies(const Team& team, const FactorRows& a, const FactorRows& b, const Placement& placement) {
  const Index n = a.rows();
  CausalEnergies out{Vector::Zero(n), Vector(n), Vector(n)};
  Matrix queries, keys, work;

  SummedRows before = own_sums(team, b, Vector::Ones(n));
  before.take_before(team);
  for_tiles(n, kEnergyTile, [&](Index begin, Index count) {
    a.tile(begin, count, queries);
    b.tile(begin, count, keys);
    auto energy = out.queries.segment(begin, count);
    const Vector along = before.along(queries);
    const Vector means =
        add_tile(queries, keys, along, placement.first_row + begin, work, out.keys.segment(begin, count), energy);
    energy += before.energies(queries, means, along, work);
    before.add(keys, Vector::Ones(count));
    out.means.segment(begin, count) = means;
  });

  SummedRows after = own_sums(team, a, out.means);
  after.take_after(team);
  for_tiles_towards(false, n, kEnergyTile, [&](Index begin, Index count) {
    a.tile(begin, count, queries);
    b.tile(begin, count, keys);
    out.keys.segment(begin, count) += after.energies(keys, Vector::Ones(count), after.along(keys), work);
    after.add(queries, out.means.segment(begin, count));
  });
  // Sums of squares are negative only by rounding.
  out.keys = out.keys.cwiseMax(0.0);
  out.queries = out.queries.cwiseMax(0.0);
  return out;
}

CausalOperator::CausalOperator(const Team& team, const CausalField& field)
    : team_(team), field_(field), diagonal_(rows(), std::min(rows(), kOperatorTile)) {
  Matrix a, b;
  for_tiles(rows(), kOperatorTile, [&](Index begin, Index count) {
    field_.a.tile(begin, count, a);
    field_.b.tile(begin, count, b);
    auto logits = diagonal_.block(begin, 0, count, count);
    logits.noalias() = a * b.transpose();
    logits.triangularView<Eigen::StrictlyUpper>().setZero();
  });
}

// Both products in one: y_i = own_i . sum over the rows already passed of (other_j x_j), plus explicit terms inside a
// tile.
void CausalOperator::multiply(bool forwards, const Matrix& x, Matrix& y) const {
  const FactorRows &own = forwards ? field_.a : field_.b, &other = forwards ? field_.b : field_.a;
  Matrix sum = team_.size() > 1 ? transpose_times(other, x) : Matrix::Zero(other.width(), x.cols());
  if (forwards) {
    team_.sum_before(as_span(sum));
  } else {
    team_.sum_after(as_span(sum));
  }
  y.resize(rows(), x.cols());
  Matrix factor;
  for_tiles_towards(forwards, rows(), kOperatorTile, [&](Index begin, Index count) {
    const auto logits = diagonal_.block(begin, 0, count, count);
    const auto block = x.middleRows(begin, count);
    auto out = y.middleRows(begin, count);
    own.tile(begin, count, factor);
    out.noalias() = factor * sum;
    if (forwards) {
      out.noalias() += logits * block;
    } else {
      out.noalias() += logits.transpose() * block;
    }
    other.tile(begin, count, factor);
    sum.noalias() += factor.transpose() * block;
  });
}

void CausalOperator::apply(const Matrix& x, Matrix& y) const { multiply(true, x, y); }
void CausalOperator::apply_transpose(const Matrix& y, Matrix& x) const { multiply(false, y, x); }

}  // namespace logitfield::kernels
