#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cpu {

/// Makes the CPU back end: Eigen, OpenBLAS and oneDNN on one core; more cores are used by one rank per core. Sets the
/// BLAS to one thread. `because` is the reason for this fallback, shown in the description; it may be empty. Throws
/// PrecisionUnavailable for a precision that the processor or the build does not support.
std::unique_ptr<Backend> make_backend(Precision precision, const std::string& because = {});

}  // namespace logitfield::kernels::cpu
