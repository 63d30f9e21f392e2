#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// a = basis * r, with k = min(rows, columns) orthonormal columns in `basis` [L, k] and `r` [k, d].
struct ThinFactor {
  Matrix basis, r;
  /// Found by Cholesky-QR: the condition number is below about 1e7, so a has full numerical rank.
  bool full_rank = false;
};

/// Cholesky-QR, repeated until the basis is orthonormal to rounding (all matrix products, 4 L d^2 flops a pass);
/// Householder QR where Cholesky cannot do it (L <= d, rank-deficient or ill-conditioned columns).
/// Source: Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015, "Roundoff error analysis of the CholeskyQR2 algorithm".
ThinFactor thin_factor(const MatrixRef& a);
/// The same where a^T a is already known.
ThinFactor thin_factor(const MatrixRef& a, const Matrix& gram);

}  // namespace logitfield::kernels::cpu
