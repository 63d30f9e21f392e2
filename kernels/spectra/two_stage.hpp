#pragma once
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Singular values of a square matrix, descending, as accurate as LAPACK's. The matrix is reduced to a band by matrix
/// products, then to bidiagonal form in cache. LAPACK's dgesdd reduces in one stage, half of it by matrix-vector
/// products, and takes about three times as long at 1,024; small matrices are left to it. Throws std::runtime_error
/// naming the size if `a` is not finite, std::invalid_argument if it is not square.
std::vector<double> two_stage_singular_values(Matrix a);

/// Singular values of a lower triangular matrix whose blocks below the diagonal have rank at most `coupling`; for
/// causal fields of d-dimensional heads that is d + 1. Where it pays, the matrix is reduced in two halves: at 2,048
/// with rank 65 in little more than half the time. A wrong `coupling` costs only time.
std::vector<double> two_stage_singular_values(Matrix a, Index coupling);

}  // namespace logitfield::kernels
