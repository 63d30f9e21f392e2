#include <cblas.h>

#include <stdexcept>

#include "kernels/cpu/product.hpp"

namespace logitfield::kernels::cpu {
namespace {

[[noreturn]] void refuse_bfloat16() { throw std::invalid_argument("OpenBLAS multiplies in float32 only"); }

}  // namespace

void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) { y.noalias() = x * w.transpose(); }
void multiply_transposed(const MatrixBRef&, const MatrixBRef&, MatrixF&) { refuse_bfloat16(); }

void multiply(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y) { y.noalias() = x * w; }
void multiply(const MatrixBRef&, const MatrixBRef&, MatrixF&) { refuse_bfloat16(); }

bool can_multiply(Precision precision) { return precision == Precision::float32; }

std::string product_library() { return "OpenBLAS"; }

void use_one_thread() { openblas_set_num_threads(1); }

}  // namespace logitfield::kernels::cpu
