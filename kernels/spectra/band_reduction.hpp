#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// An upper band [n, width + 1]: element (i, k) is element (i, i + k) of the matrix, or zero beyond its last column.
using Band = Matrix;

/// Returns the band of Q^T a P with `width` superdiagonals and zeros elsewhere. Q and P are orthogonal; P leaves the
/// first `width` columns unchanged. a [n, n] is overwritten as scratch. 8/3 n^3 flops, nearly all in matrix products
/// (Grosser & Lang 1999, "Efficient parallel reduction to bidiagonal form").
Band reduce_to_band(Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> a, Index width);

}  // namespace logitfield::kernels
