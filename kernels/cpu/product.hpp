#pragma once
#include <string>

#include "kernels/backend.hpp"
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

// The products of the forward pass: oneDNN's where the build has it (product_onednn.cpp), which makes code for the
// processor at hand, else OpenBLAS's (product_openblas.cpp).

/// y = x W^T for x [n, k] and W [m, k], summed in float32; y [n, m] is resized. Precision::bf16: x and W are rounded to
/// bfloat16. Throws std::invalid_argument for a precision that can_multiply does not have.
void multiply_transposed(const MatrixFRef& x, const MatrixFRef& w, Precision precision, MatrixF& y);

/// float32 always; bf16 on processors that multiply bfloat16 numbers (AVX512_BF16, AMX), with oneDNN.
bool can_multiply(Precision precision);

/// "oneDNN 2.6.3 (AMX)"
std::string product_library();

/// One thread for all products that the calling thread asks for.
void use_one_thread();

}  // namespace logitfield::kernels::cpu
