#pragma once
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// Singular values of a square matrix, descending, as exact as LAPACK's: reduced to a band by products of matrices,
/// then to bidiagonal form in cache. LAPACK's dgesdd reduces at once, half of it by products with vectors, and takes
/// about three times as long at 1,024; small matrices are left to it. Throws std::runtime_error naming the size if `a`
/// is not finite, std::invalid_argument if it is not square.
std::vector<double> two_stage_singular_values(Matrix a);

/// The same of a lower triangular matrix whose blocks below the diagonal are known to have rank `coupling` at most, as
/// causal fields of d-dimensional heads have d + 1: where that pays, reduced in two halves. At 2,048 with rank 65 in
/// little more than half the time. What is not so costs time only.
std::vector<double> two_stage_singular_values(Matrix a, Index coupling);

}  // namespace logitfield::kernels::cpu
