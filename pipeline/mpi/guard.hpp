#pragma once
#include <functional>

#include "pipeline/mpi/communicator.hpp"

namespace logitfield::mpi {

/// Runs `body` on this rank and returns its exit code. An exception becomes one message on standard error. For an
/// AgreedError the failing rank prints it, and all ranks return its code. For any other exception this rank prints it
/// and ends every rank of the job with exit code 2 (InputError) or 1, since the others do not know of it and would wait
/// forever.
int run_guarded(const Communicator& world, const std::function<int()>& body);

}  // namespace logitfield::mpi
