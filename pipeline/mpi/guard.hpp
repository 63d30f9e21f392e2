#pragma once
#include <functional>

#include "pipeline/mpi/communicator.hpp"

namespace logitfield::mpi {

/// Runs `body` on this rank and returns its exit code. What it throws becomes one message on standard error: for an
/// AgreedError the failing rank's, and all ranks return its code; for any other exception this rank's, and every rank
/// of the job is ended with exit code 2 (InputError) or 1, since the others know nothing and would wait for ever.
int run_guarded(const Communicator& world, const std::function<int()>& body);

}  // namespace logitfield::mpi
