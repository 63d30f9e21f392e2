#pragma once
#include <cstdint>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Mean and centred squares of the rows [n, d] of a matrix that comes in tiles, in float64. In two passes: squares
/// about a mean that is far from zero would cancel.
class RowMoments {
 public:
  explicit RowMoments(Index columns) : mean_(RowVector::Zero(columns)), squares_(Matrix::Zero(columns, columns)) {}

  /// First pass, every tile.
  void add_to_mean(const MatrixFRef& tile);
  /// Second pass, every tile.
  void add_to_squares(const MatrixFRef& tile);

  Index rows() const { return rows_; }
  const Eigen::RowVectorXd& mean() const { return mean_; }
  /// R [r, d] with R^T R = sum over rows of (x - mean)^T (x - mean), r its rank, below n. Columns that do not vary are
  /// zero.
  Matrix factor() const;

 private:
  using RowVector = Eigen::RowVectorXd;
  Index rows_ = 0;
  RowVector mean_;
  Matrix squares_;
};

/// Rows of a Gaussian matrix [n, d] given that its mean and centred squares are those of `like`: m + U R, U uniform
/// among the orthonormal [n, r] whose columns sum to zero. If the rows that `like` is of are independent and Gaussian,
/// whatever their mean and covariance, these have the same distribution given what they have in common: the two are
/// exchangeable. A function of the seed alone.
class GaussianLike {
 public:
  GaussianLike(const RowMoments& like, std::uint64_t seed);
  /// Rows first ... first + count - 1, [count, d].
  MatrixF rows(Index first, Index count) const;

 private:
  std::uint64_t seed_;
  Index width_;
  Eigen::RowVectorXd mean_, drawn_mean_;
  /// [r, d]: from drawn numbers to rows.
  Matrix turn_;
};

}  // namespace logitfield::kernels
