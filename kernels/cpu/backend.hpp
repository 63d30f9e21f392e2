#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// Eigen and OpenBLAS on one core: one rank per core is how more are used. Sets the BLAS to one thread.
std::unique_ptr<Backend> make_backend();

}  // namespace logitfield::kernels::cpu
