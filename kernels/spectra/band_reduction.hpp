#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// An upper band: element (i, k) of [n, width + 1] is that of row i and column i + k of the matrix, or zero beyond it.
using Band = Matrix;

/// The band of Q^T a P with `width` superdiagonals and zeros elsewhere, Q and P orthogonal, P without effect on the
/// first `width` columns. a [n, n] is left as scratch. 8/3 n^3 flops, nearly all in products of matrices (Grosser &
/// Lang 1999, "Efficient parallel reduction to bidiagonal form").
Band reduce_to_band(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> a, Index width);

}  // namespace logitfield::kernels::cpu
