#include "kernels/cpu/causal_field.hpp"

#include "kernels/cpu/blas.hpp"
#include "kernels/cpu/thin_factor.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Rows of a diagonal tile, whose logits are formed: as much work as the running sums at w = 64 to 128.
constexpr Index kEnergyTile = 64;
/// For blocks of 16 to 32 vectors.
constexpr Index kOperatorTile = 32;

/// Calls visit(begin, count) for the same tiles from the last to the first.
template <class Visit>
void for_tiles_backwards(Index rows, Index tile_rows, Visit&& visit) {
  for (Index tile = (rows + tile_rows - 1) / tile_rows; tile-- > 0;) {
    visit(tile * tile_rows, std::min(tile_rows, rows - tile * tile_rows));
  }
}

void clear_above_diagonal(Matrix& logits) {
  for (Index i = 0; i < logits.rows(); ++i) logits.row(i).tail(logits.cols() - i - 1).setZero();
}

/// sum_r x_r^T gram x_r for each row, by one product.
Vector quadratic_forms(const Matrix& rows, const Matrix& gram, Matrix& product) {
  product.noalias() = rows * gram;
  return product.cwiseProduct(rows).rowwise().sum();
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

std::span<double> as_span(Matrix& m) { return {m.data(), static_cast<std::size_t>(m.size())}; }

/// This rank's Gram matrix only.
Matrix own_gram(const FactorRows& a) { return gram_of(alone(), a); }

}  // namespace

CausalField causal_field(const Team& team, FactorRows a, FactorRows b, const Placement& placement) {
  Vector means = causal_means(team, a, b, placement);
  a.append(-means);
  b.append(Vector::Ones(b.rows()));
  return {std::move(a), std::move(b)};
}

CausalEnergies causal_energies(const Team& team, const CausalField& field) {
  const Index n = field.a.rows();
  CausalEnergies out{Vector(n), Vector(n)};
  Matrix a, b, logits, product;

  Matrix keys_before = team.size() > 1 ? own_gram(field.b) : Matrix::Zero(field.b.width(), field.b.width());
  team.sum_before(as_span(keys_before));
  for_tiles(n, kEnergyTile, [&](Index begin, Index count) {
    field.a.tile(begin, count, a);
    field.b.tile(begin, count, b);
    logits.noalias() = a * b.transpose();
    clear_above_diagonal(logits);
    logits = logits.cwiseAbs2();
    out.keys.segment(begin, count) = logits.colwise().sum();
    out.queries.segment(begin, count) = logits.rowwise().sum() + quadratic_forms(a, keys_before, product);
    add_gram(b, keys_before);
    complete(keys_before);
  });

  Matrix queries_after = team.size() > 1 ? own_gram(field.a) : Matrix::Zero(field.a.width(), field.a.width());
  team.sum_after(as_span(queries_after));
  for_tiles_backwards(n, kEnergyTile, [&](Index begin, Index count) {
    field.a.tile(begin, count, a);
    field.b.tile(begin, count, b);
    out.keys.segment(begin, count) += quadratic_forms(b, queries_after, product);
    add_gram(a, queries_after);
    complete(queries_after);
  });
  // Sums of squares are negative only by rounding.
  out.keys = out.keys.cwiseMax(0.0);
  out.queries = out.queries.cwiseMax(0.0);
  return out;
}

void CausalOperator::apply(const Matrix& x, Matrix& y) const {
  Matrix sum = team_.size() > 1 ? transpose_times(field_.b, x) : Matrix::Zero(field_.b.width(), x.cols());
  team_.sum_before(as_span(sum));
  y.resize(rows(), x.cols());
  Matrix a, b, logits;
  for_tiles(rows(), kOperatorTile, [&](Index begin, Index count) {
    field_.a.tile(begin, count, a);
    field_.b.tile(begin, count, b);
    logits.noalias() = a * b.transpose();
    clear_above_diagonal(logits);
    const auto block = x.middleRows(begin, count);
    y.middleRows(begin, count).noalias() = a * sum;
    y.middleRows(begin, count).noalias() += logits * block;
    sum.noalias() += b.transpose() * block;
  });
}

void CausalOperator::apply_transpose(const Matrix& y, Matrix& x) const {
  Matrix sum = team_.size() > 1 ? transpose_times(field_.a, y) : Matrix::Zero(field_.a.width(), y.cols());
  team_.sum_after(as_span(sum));
  x.resize(rows(), y.cols());
  Matrix a, b, logits;
  for_tiles_backwards(rows(), kOperatorTile, [&](Index begin, Index count) {
    field_.a.tile(begin, count, a);
    field_.b.tile(begin, count, b);
    logits.noalias() = a * b.transpose();
    clear_above_diagonal(logits);
    const auto block = y.middleRows(begin, count);
    x.middleRows(begin, count).noalias() = b * sum;
    x.middleRows(begin, count).noalias() += logits.transpose() * block;
    sum.noalias() += a.transpose() * block;
  });
}

}  // namespace logitfield::kernels::cpu
