#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// Superdiagonals that are left: enough for products at full speed, few enough for bidiagonalise.
inline constexpr Index kBandWidth = 32;

/// a [n, n] <- Q^T a P with kBandWidth superdiagonals above the diagonal and zeros elsewhere, Q and P orthogonal; what
/// stands outside the band afterwards is scratch. 8/3 n^3 flops, nearly all in products of matrices (Grosser & Lang
/// 1999, "Efficient parallel reduction to bidiagonal form").
void reduce_to_band(Matrix& a);

}  // namespace logitfield::kernels::cpu
