#include "kernels/cpu/band_reduction.hpp"

#include <lapacke.h>

#include <algorithm>

namespace logitfield::kernels::cpu {
namespace {

using Columns = Eigen::MatrixXd;

/// The orthogonal matrix I - v t v^T, and v t.
struct Reflectors {
  Columns v, vt;
};

/// Leaves the triangle of a QR factorisation in a column-major panel.
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

}  // namespace

// A panel of columns is made triangular by Q, then the rows that are done by P. What is below them takes both at once:
// a - v w^T - z y^T with w = a^T (v t) of Q, y of P, and z = (a - v w^T)(y t).
void reduce_to_band(Matrix& a) {
  const Index n = a.rows();
  Columns panel, left, right;
  for (Index first = 0; first < n; first += kBandWidth) {
    const Index width = std::min(kBandWidth, n - first), next = first + width, rest = n - next;
    panel = a.block(first, first, n - first, width);
    const Reflectors q = triangulate(panel.data(), n - first, width, n - first);
    a.block(first, first, width, width).triangularView<Eigen::Upper>() = panel.topRows(width);
    if (rest == 0) return;

    const Index count = std::min(width, rest);
    left.resize(rest, width + count);
    right.resize(rest, width + count);
    auto v = left.leftCols(width), z = left.rightCols(count), w = right.leftCols(width), y = right.rightCols(count);
    auto done = a.block(first, next, width, rest), below = a.block(next, next, rest, rest);
    v = q.v.bottomRows(rest);
    w.noalias() = a.block(first, next, n - first, rest).transpose() * q.vt;
    done.noalias() -= q.v.topRows(width) * w.transpose();
    const Reflectors p = triangulate(done.data(), rest, width, n);  // its columns are the rows of `done`
    y = p.v;
    z.noalias() = below * p.vt;
    z.noalias() -= v * (w.transpose() * p.vt);
    below.noalias() -= left * right.transpose();
  }
}

}  // namespace logitfield::kernels::cpu
