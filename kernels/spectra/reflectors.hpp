#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Column-major, as LAPACK expects.
using Columns = Eigen::MatrixXd;

/// The orthogonal matrix Q = I - v t v^T [n, n] of several Householder reflections, and the product v t.
struct Reflectors {
  Columns v, vt;

  /// The first columns of Q, as many as there are reflections.
  Columns first_columns() const;
  /// a [m, n] <- a Q.
  void apply_on_right(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> a) const;
};

/// QR of a column-major panel, whose triangle is left where it stood; LAPACK dgeqrt.
Reflectors triangulate(double* panel, Index rows, Index cols, Index stride);
inline Reflectors triangulate(Columns& panel) {
  return triangulate(panel.data(), panel.rows(), panel.cols(), panel.rows());
}

}  // namespace logitfield::kernels
