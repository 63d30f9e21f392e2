#pragma once
#include <vector>

#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// a = u * diag(sigma) * vt, thin.
struct Svd {
  std::vector<double> sigma;
  Matrix u, vt;
};

/// LAPACK dgesdd. Throws std::runtime_error naming the shape if it does not converge or `a` is not finite.
Svd svd(const Matrix& a);
std::vector<double> singular_values(const Matrix& a);

}  // namespace logitfield::kernels::cpu
