#pragma once
#include "kernels/cpu/lapack.hpp"

namespace logitfield::kernels::cpu {

/// A bidiagonal matrix with the singular values of the band of a [n, n]: its diagonal and kBandWidth superdiagonals;
/// other elements are not read. About 8 n^2 kBandWidth flops, in cache (Lang 1996; Haidar, Ltaief & Dongarra 2013).
Bidiagonal bidiagonalise(const Matrix& a);

}  // namespace logitfield::kernels::cpu
