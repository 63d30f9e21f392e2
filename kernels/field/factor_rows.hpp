#pragma once
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// This rank's rows of a tall factor of the field, [n, width] in float64, made a few at a time from float32 rows x_i
/// [n, d]: factor * x_i - shift, followed by extra columns. The float32 rows must outlive it.
class FactorRows {
 public:
  explicit FactorRows(const MatrixFRef& rows, double factor = 1);

  /// Subtracts `shift` [d] from the scaled rows.
  void subtract(const Eigen::RowVectorXd& shift) { shift_ = shift; }
  /// Makes the first d columns exactly zero.
  void vanish();
  /// Multiplies each scaled and shifted row by its own factor [n].
  void scale_rows(Vector factors) { row_factors_ = std::move(factors); }
  /// Adds a column [n] on the right.
  void append(Vector column);

  Index rows() const { return rows_.rows(); }
  Index width() const { return rows_.cols() + std::ssize(extra_); }
  /// Rows begin ... begin + count - 1 [count, width].
  void tile(Index begin, Index count, Matrix& out) const;
  /// Returns all rows; for matrices small enough to keep.
  Matrix all() const;

 private:
  MatrixFRef rows_;
  double factor_;
  Eigen::RowVectorXd shift_;
  /// If empty, all factors are one.
  Vector row_factors_;
  std::vector<Vector> extra_;
};

}  // namespace logitfield::kernels
