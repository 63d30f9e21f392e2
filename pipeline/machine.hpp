#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan.hpp"

namespace logitfield {

/// The ranks, and the memory of the host where it is scarcest. Collective.
Machine this_machine(const mpi::Communicator& world);

/// The back end that the options ask for; on GPUs the ranks of a host take one each, in turn. Throws InputError saying
/// why where it cannot be had.
std::unique_ptr<kernels::Backend> open_backend(const Options& options, const Machine& machine);

/// Most memory that this process has held, bytes (VmHWM).
std::int64_t peak_memory_bytes();

}  // namespace logitfield
