#include "kernels/field/row_moments.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "kernels/random.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::kernels {
namespace {

/// Rows that are converted to float64 together.
constexpr Index kMomentRows = 1024;
/// A column is a combination of those before it if less than this share of its squares remains beyond them. The limit
/// is far above float64's rounding of their sums, and below float32's of the rows.
constexpr double kDependent = 1e-12;

}  // namespace

void RowMoments::add_to_mean(const MatrixFRef& tile) {
  const double before = static_cast<double>(rows_), after = before + static_cast<double>(tile.rows());
  mean_ = mean_ * (before / after) + tile.cast<double>().colwise().sum() / after;
  rows_ += tile.rows();
}

void RowMoments::add_to_squares(const MatrixFRef& tile) {
  for_tiles(tile.rows(), kMomentRows, [&](Index begin, Index count) {
    const Matrix centred = tile.middleRows(begin, count).cast<double>().rowwise() - mean_;
    squares_.noalias() += centred.transpose() * centred;
  });
}

/// Cholesky of a matrix that may be singular: the rows of columns that depend on earlier ones are left out.
Matrix RowMoments::factor() const {
  const Index d = squares_.cols();
  Matrix r(0, d);
  for (Index j = 0; j < d && r.rows() + 1 < rows_; ++j) {
    const double left = squares_(j, j) - r.col(j).squaredNorm();
    if (left <= kDependent * squares_(j, j)) continue;
    const Eigen::RowVectorXd row = (squares_.row(j) - r.col(j).transpose() * r) / std::sqrt(left);
    r.conservativeResize(r.rows() + 1, d);
    r.bottomRows(1) = row;
    r.bottomRows(1).leftCols(j).setZero();
  }
  return r;
}

GaussianLike::GaussianLike(const RowMoments& like, std::uint64_t seed) : seed_(seed), mean_(like.mean()) {
  const Matrix wanted = like.factor();
  width_ = wanted.rows();
  drawn_mean_ = Eigen::RowVectorXd::Zero(width_);
  Matrix squares = Matrix::Zero(width_, width_);
  const double length = static_cast<double>(like.rows());
  for_tiles(like.rows(), kMomentRows, [&](Index begin, Index count) {
    const Matrix z = gaussian_rows(seed_, begin, count, width_);
    drawn_mean_ += z.colwise().sum() / length;
    squares.noalias() += z.transpose() * z;
  });
  squares -= length * drawn_mean_.transpose() * drawn_mean_;
  turn_ = wanted;
  if (width_ == 0) return;  // all rows are equal
  turn_ = Eigen::LLT<Eigen::MatrixXd>(squares).matrixU().solve(Eigen::MatrixXd(wanted));
}

MatrixF GaussianLike::rows(Index first, Index count) const {
  MatrixF out(count, mean_.size());
  for_tiles(count, kMomentRows, [&](Index begin, Index rows) {
    const Matrix z = gaussian_rows(seed_, first + begin, rows, width_).rowwise() - drawn_mean_;
    out.middleRows(begin, rows) = ((z * turn_).rowwise() + mean_).cast<float>();
  });
  return out;
}

}  // namespace logitfield::kernels
