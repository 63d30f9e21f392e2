#pragma once
#include <cstdint>

#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan.hpp"

namespace logitfield {

/// The ranks, and the memory of the host where it is scarcest. Collective.
Machine this_machine(const mpi::Communicator& world);

/// Most memory that this process has held, bytes (VmHWM).
std::int64_t peak_memory_bytes();

}  // namespace logitfield
