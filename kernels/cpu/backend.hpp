#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// Eigen, OpenBLAS and oneDNN on one core: one rank per core is how more are used. Sets the BLAS to one thread.
/// `because`: why it was taken for want of another, for its description; may be empty. Throws std::runtime_error for a
/// precision that the processor or the build does not have.
std::unique_ptr<Backend> make_backend(Precision precision, const std::string& because = {});

}  // namespace logitfield::kernels::cpu
