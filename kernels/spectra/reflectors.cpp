#include "kernels/spectra/reflectors.hpp"

#include <lapacke.h>

#include <algorithm>

namespace logitfield::kernels {

Columns Reflectors::first_columns() const {
  Columns out = Columns::Identity(v.rows(), v.cols());
  out.noalias() -= vt * v.topRows(v.cols()).transpose();
  return out;
}

void Reflectors::apply_on_right(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> a) const {
  const Columns along = a * vt;
  a.noalias() -= along * v.transpose();
}

Reflectors triangulate(double* panel, Index rows, Index cols, Index stride) {
  const Index count = std::min(rows, cols);
  const auto m = static_cast<lapack_int>(rows), n = static_cast<lapack_int>(cols), k = static_cast<lapack_int>(count);
  Columns t(count, count);
  LAPACKE_dgeqrt(LAPACK_COL_MAJOR, m, n, k, panel, static_cast<lapack_int>(stride), t.data(), k);
  t.triangularView<Eigen::StrictlyLower>().setZero();
  Reflectors out{Eigen::Map<Columns, 0, Eigen::OuterStride<>>(panel, rows, count, Eigen::OuterStride<>(stride)), {}};
  out.v.topRows(count).triangularView<Eigen::StrictlyUpper>().setZero();
  out.v.diagonal().setOnes();
  out.vt.noalias() = out.v * t;
  return out;
}

}  // namespace logitfield::kernels
