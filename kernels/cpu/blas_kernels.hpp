#pragma once
#include <string>
#include <string_view>

namespace logitfield::kernels::cpu {

/// Returns the OpenBLAS kernels that a processor with these instructions should use; empty if `chosen` is as good.
std::string better_blas_kernels(std::string_view chosen, bool avx2, bool avx512);

/// Restarts the program with better OpenBLAS kernels if needed. OpenBLAS chooses kernels by processor model; for an
/// unknown model it takes kernels of 2004, which are slower by a factor of 5. Where its choice is worse than the
/// processor allows, and OPENBLAS_CORETYPE is not set, this function sets it and restarts the program. Call it first in
/// main, before MPI. Returns if there is nothing to do.
void restart_with_best_blas(char** argv);

}  // namespace logitfield::kernels::cpu
