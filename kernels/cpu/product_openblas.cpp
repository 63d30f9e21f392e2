#include <cblas.h>

#include <stdexcept>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {

void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, Precision precision, MatrixF& y) {
  if (!can_multiply(precision)) throw std::invalid_argument("OpenBLAS multiplies in float32 only");
  y.resize(x.rows(), w.rows());
  y.noalias() = x * w.transpose();
}

bool can_multiply(Precision precision) { return precision == Precision::float32; }

std::string product_library() { return "OpenBLAS"; }

void use_one_thread() { openblas_set_num_threads(1); }

}  // namespace logitfield::kernels::cpu
