#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels {

// Products with triangular or symmetric matrices, in place, by the BLAS. They take half the flops of a general product.

/// Upper triangle of gram += a^T a; L d^2 flops (dsyrk). `complete` copies it to the lower triangle.
void add_gram(const Matrix& a, Matrix& gram);
void complete(Matrix& gram);

/// x_r^T gram x_r for each row [n], from the upper triangle of a symmetric matrix; `work` is scratch. L d^2 flops
/// (dtrmm).
Vector quadratic_forms(const Matrix& rows, const Matrix& gram, Matrix& work);

/// rows <- rows * r, rows * r^T and rows * r^-1, r upper triangular (dtrmm, dtrsm); n d^2 flops.
void multiply_by(const Matrix& r, Matrix& rows);
void multiply_by_transpose(const Matrix& r, Matrix& rows);
void divide_by(const Matrix& r, Matrix& rows);

/// x <- r^-1 x.
void solve(const Matrix& r, Matrix& x);

}  // namespace logitfield::kernels
