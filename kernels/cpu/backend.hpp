#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// Eigen and OpenBLAS on one core: one rank per core is how more are used. Sets the BLAS to one thread. `because`: why
/// it was taken for want of another, for its description; may be empty.
std::unique_ptr<Backend> make_backend(const std::string& because = {});

}  // namespace logitfield::kernels::cpu
