#include "kernels/spectra/band_reduction.hpp"

#include <algorithm>

#include "kernels/spectra/reflectors.hpp"

namespace logitfield::kernels {
namespace {

Band band_of(const MatrixRef& a, Index width) {
  const Index n = a.rows();
  Band out = Band::Zero(n, width + 1);
  for (Index i = 0; i < n; ++i) {
    const Index there = std::min(width + 1, n - i);
    out.row(i).head(there) = a.row(i).segment(i, there);
  }
  return out;
}

}  // namespace

// Q makes a panel of columns triangular, then P the finished rows. The rows below receive both at once, as a - v w^T -
// z y^T, with w = a^T (v t) of Q, y of P, and z = (a - v w^T)(y t).
Band reduce_to_band(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> a, Index width) {
  const Index n = a.rows();
  Columns panel, left, right;
  for (Index first = 0; first < n; first += width) {
    const Index here = std::min(width, n - first), next = first + here, rest = n - next;
    panel = a.block(first, first, n - first, here);
    const Reflectors q = triangulate(panel);
    a.block(first, first, here, here).triangularView<Eigen::Upper>() = panel.topRows(here);
    if (rest == 0) break;

    const Index count = std::min(here, rest);
    left.resize(rest, here + count);
    right.resize(rest, here + count);
    auto v = left.leftCols(here), z = left.rightCols(count), w = right.leftCols(here), y = right.rightCols(count);
    auto done = a.block(first, next, here, rest), below = a.block(next, next, rest, rest);
    v = q.v.bottomRows(rest);
    w.noalias() = a.block(first, next, n - first, rest).transpose() * q.vt;
    done.noalias() -= q.v.topRows(here) * w.transpose();
    const Reflectors p = triangulate(done.data(), rest, here, a.outerStride());  // its columns are the rows of `done`
    y = p.v;
    z.noalias() = below * p.vt;
    z.noalias() -= v * (w.transpose() * p.vt);
    below.noalias() -= left * right.transpose();
  }
  return band_of(a, width);
}

}  // namespace logitfield::kernels
