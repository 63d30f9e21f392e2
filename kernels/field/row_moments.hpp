#pragma once
#include <cstdint>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Mean and centred squares of the rows [n, d] of a matrix that comes in tiles, in float64. Two passes, because one
/// pass would cancel when the mean is far from zero.
class RowMoments {
 public:
  explicit RowMoments(Index columns) : mean_(RowVector::Zero(columns)), squares_(Matrix::Zero(columns, columns)) {}

  /// First pass; call it for every tile.
  void add_to_mean(const MatrixFRef& tile);
  /// Second pass; call it for every tile.
  void add_to_squares(const MatrixFRef& tile);

  Index rows() const { return rows_; }
  const Eigen::RowVectorXd& mean() const { return mean_; }
  /// R [r, d] with R^T R = sum over rows of (x - mean)^T (x - mean), where r is its rank, below n. Columns that do not
  /// vary are zero.
  Matrix factor() const;

 private:
  using RowVector = Eigen::RowVectorXd;
  Index rows_ = 0;
  RowVector mean_;
  Matrix squares_;
};

/// Rows of a Gaussian matrix [n, d], conditioned on having the mean and centred squares of `like`: m + U R, with U
/// uniform among the orthonormal [n, r] whose columns sum to zero. If the rows behind `like` are independent and
/// Gaussian, whatever their mean and covariance, then both have the same distribution given these moments: they are
/// exchangeable. For given moments, the rows depend on the seed alone.
class GaussianLike {
 public:
  GaussianLike(const RowMoments& like, std::uint64_t seed);
  /// Rows first ... first + count - 1, [count, d].
  MatrixF rows(Index first, Index count) const;

 private:
  std::uint64_t seed_;
  Index width_;
  Eigen::RowVectorXd mean_, drawn_mean_;
  /// [r, d]: maps drawn numbers to rows.
  Matrix turn_;
};

}  // namespace logitfield::kernels
