#pragma once
#include <string>
#include <string_view>

namespace logitfield::kernels::cpu {

/// The OpenBLAS kernels that a processor with these instructions should use; empty where `chosen` are as good.
std::string better_blas_kernels(std::string_view chosen, bool avx2, bool avx512);

/// OpenBLAS chooses kernels by processor model, and takes those of 2004 for a model that it does not know: a factor
/// of 5. Where its choice is worse than what the processor can do, and OPENBLAS_CORETYPE is not set, this sets it and
/// starts the program again. To be called first in main, before MPI; returns where there is nothing to do.
void restart_with_best_blas(char** argv);

}  // namespace logitfield::kernels::cpu
