#pragma once
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// a = u * diag(sigma) * vt, thin.
struct Svd {
  std::vector<double> sigma;
  Matrix u, vt;
};

/// LAPACK dgesdd. Throws std::runtime_error naming the shape if it does not converge or `a` is not finite.
Svd svd(const Matrix& a);
std::vector<double> singular_values(Matrix a);

/// Diagonal [n] and superdiagonal [n - 1] of an upper bidiagonal matrix.
struct Bidiagonal {
  std::vector<double> diagonal, above;
};

/// Returns the singular values, descending (LAPACK dbdsqr, here dqds). Throws as svd does.
std::vector<double> singular_values(Bidiagonal b);

/// Singular values, descending, and the first element of each right singular vector. They are the nodes and the roots
/// of the weights of a Gauss quadrature. LAPACK dbdsqr. Throws as svd does.
struct QuadratureNodes {
  std::vector<double> sigma, first;
};
QuadratureNodes quadrature_nodes(Bidiagonal b);

/// a = vectors * diag(values) * vectors^T, values ascending, a symmetric; LAPACK dsyevd. Throws as svd does.
struct SymmetricEigen {
  Vector values;
  Matrix vectors;
};
SymmetricEigen symmetric_eigen(const Matrix& a);

/// Estimated 1-norm condition number of an upper triangular matrix (LAPACK dtrcon); infinite where it is singular.
double condition(const Matrix& upper);

}  // namespace logitfield::kernels
