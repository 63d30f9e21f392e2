#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cuda {

/// One GPU, of number local_rank modulo their number. Throws std::runtime_error saying why where none can be had.
std::unique_ptr<Backend> make_backend(Precision precision, int local_rank);

}  // namespace logitfield::kernels::cuda
