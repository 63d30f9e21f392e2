#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// a^T a [d, d], both triangles; L d^2 flops (BLAS dsyrk).
Matrix gram(const MatrixRef& a);

}  // namespace logitfield::kernels::cpu
