#pragma once
#include "kernels/backend.hpp"

namespace logitfield::kernels::cuda {

/// Makes the back end of one GPU, number local_rank modulo the number of GPUs. Throws std::runtime_error with the
/// reason if there is none.
std::unique_ptr<Backend> make_backend(Precision precision, int local_rank);

}  // namespace logitfield::kernels::cuda
