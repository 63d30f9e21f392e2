#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// scale^2 * x_j^T gram x_j for every row x_j of `rows` [L, d]: the energy per key (rows = centred keys, gram = Q^T Q)
/// or per query (rows = queries, gram = centred K^T K) of the full field. 2 L d^2 flops; never negative.
Vector energies(const MatrixRef& rows, const Matrix& gram, double scale);

}  // namespace logitfield::kernels::cpu
