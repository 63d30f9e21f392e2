#include "kernels/cpu/coherence.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <limits>

#include "kernels/cpu/lapack.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Orthonormal columns that span the column space of a small matrix, by numerical rank.
Matrix column_basis(const Matrix& a, Index length) {
  const Svd core = svd(a);
  const double threshold =
      static_cast<double>(std::max(length, a.cols())) * std::numeric_limits<double>::epsilon() * core.sigma[0];
  return core.u.leftCols(std::ranges::count_if(core.sigma, [&](double s) { return s > threshold; }));
}

double coherence(double length, std::int64_t rank, double largest) {
  return rank > 0 ? length / static_cast<double>(rank) * largest : std::numeric_limits<double>::quiet_NaN();
}

/// Keys = [basis, 1 / sqrt L] * stacked, so their leverages are those of the small matrix `stacked`, carried over.
Matrix stacked_triangle(const Matrix& r, const Eigen::RowVectorXd& mean, double length) {
  Matrix out(r.rows() + 1, r.cols());
  out << r, std::sqrt(length) * mean;
  return out;
}

/// Largest leverage of the keys as they are, over this rank's rows, and their rank.
struct Raw {
  double largest = 0;
  std::int64_t rank = 0;
};

/// With full rank only one direction of [basis, 1 / sqrt L] is missing from the column space: O(L w).
Raw raw_full_rank(const TallFactor& keys, const Matrix& stacked, const Vector& centred, double length) {
  const Index w = stacked.cols();
  const Vector missing = Eigen::HouseholderQR<Matrix>(stacked).householderQ() * Vector::Unit(w + 1, w);
  const Matrix coefficients = keys.factor.coefficients(missing.head(w));
  const double constant = 1 / std::sqrt(length);
  Raw out{0, w};
  Matrix rows;
  for_tiles(centred.size(), kTileRows, [&](Index begin, Index count) {
    keys.rows.tile(begin, count, rows);
    const Vector along = keys.factor.times(begin, rows, coefficients).col(0).array() + constant * missing[w];
    const auto leverages = centred.segment(begin, count).array() + constant * constant - along.array().square();
    out.largest = std::max(out.largest, leverages.maxCoeff());
  });
  return out;
}

Raw raw_any_rank(const TallFactor& keys, const Matrix& stacked, Index length) {
  const Matrix basis = column_basis(stacked, length);
  const Eigen::RowVectorXd constant = basis.bottomRows(1) / std::sqrt(static_cast<double>(length));
  Raw out{0, basis.cols()};
  Matrix rows;
  for_tiles(keys.rows.rows(), kTileRows, [&](Index begin, Index count) {
    keys.rows.tile(begin, count, rows);
    const Matrix raw = (keys.factor.basis_rows(begin, rows) * basis.topRows(basis.rows() - 1)).rowwise() + constant;
    out.largest = std::max(out.largest, raw.rowwise().squaredNorm().maxCoeff());
  });
  return out;
}

}  // namespace

Leverage leverage(const TallFactor& factor, const Placement& placement) {
  Leverage out{Vector(factor.rows.rows()), factor.rows.width()};
  Matrix turn;
  if (!factor.factor.full_rank()) {
    turn = column_basis(factor.factor.r(), placement.length);
    out.rank = turn.cols();
  }
  Matrix rows;
  for_tiles(factor.rows.rows(), kTileRows, [&](Index begin, Index count) {
    factor.rows.tile(begin, count, rows);
    Matrix basis = factor.factor.basis_rows(begin, rows);
    if (!factor.factor.full_rank()) basis = (basis * turn).eval();
    out.values.segment(begin, count) = basis.rowwise().squaredNorm();
  });
  return out;
}

KeyCoherence key_coherence(const Team& team, const TallFactor& keys, const Eigen::RowVectorXd& mean,
                           const Leverage& centred, const Placement& placement) {
  const double length = static_cast<double>(placement.length);
  const Matrix stacked = stacked_triangle(keys.factor.r(), mean, length);
  const Raw raw = keys.factor.full_rank() ? raw_full_rank(keys, stacked, centred.values, length)
                                          : raw_any_rank(keys, stacked, placement.length);
  const double largest = centred.values.size() > 0 ? centred.values.maxCoeff() : 0;
  return {coherence(length, centred.rank, max_over(team, largest)),
          coherence(length, raw.rank, max_over(team, raw.largest)), centred.rank};
}

}  // namespace logitfield::kernels::cpu
