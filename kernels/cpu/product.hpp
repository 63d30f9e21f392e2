#pragma once
#include <string>

#include "kernels/matrix.hpp"
#include "kernels/precision.hpp"

namespace logitfield::kernels::cpu {

// The products of the forward pass. They use oneDNN if the build has it (product_onednn.cpp), which generates code for
// the processor at hand, else OpenBLAS (product_openblas.cpp). All products sum in float32. Products of bfloat16
// numbers throw std::invalid_argument if can_multiply(Precision::bf16) is false.

/// y = x W^T for x [n, k] and W [m, k]; y [n, m] is resized.
void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y);
void multiply_transposed(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y);

/// y = x W for x [n, k] and W [k, m]; y [n, m] is resized.
void multiply(const MatrixFRef& x, const MatrixFRef& w, MatrixF& y);
void multiply(const MatrixBRef& x, const MatrixBRef& w, MatrixF& y);

/// float32: always true. bf16: true on processors that multiply bfloat16 numbers (AVX512_BF16, AMX), with oneDNN.
bool can_multiply(Precision precision);

/// For example "oneDNN 2.6.3 (AMX)".
std::string product_library();

/// Uses one thread for all products that the calling thread asks for.
void use_one_thread();

}  // namespace logitfield::kernels::cpu
