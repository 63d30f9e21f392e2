#include "kernels/cpu/energies.hpp"

namespace logitfield::kernels::cpu {

Vector energies(const MatrixRef& rows, const Matrix& gram, double scale) {
  const Matrix product = rows * gram;
  // A quadratic form of a Gram matrix is negative only by rounding.
  return (scale * scale) * product.cwiseProduct(rows).rowwise().sum().cwiseMax(0.0);
}

}  // namespace logitfield::kernels::cpu
