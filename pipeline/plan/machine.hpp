#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// The ranks, and the memory of the host where it is scarcest. Collective.
Machine this_machine(const mpi::Communicator& world);

/// The back end that the options ask for, the same on every rank; on GPUs the ranks of a host take one each, in turn,
/// and `machine` learns what memory they have. With --backend auto all compute on CPUs where one rank has no GPU. Every
/// rank throws mpi::AgreedError saying why where it cannot be had. Collective.
std::unique_ptr<kernels::Backend> open_backend(const Options& options, const mpi::Communicator& world,
                                               Machine& machine);

/// make_plan; with --backend auto, `backend` becomes the CPU's where only the GPUs have too little memory.
Plan plan_for(const Job& job, const Options& options, Machine& machine, std::unique_ptr<kernels::Backend>& backend);

/// Why the ranks compute on CPUs although --backend auto would rather have had the GPUs that this program can use;
/// empty where they do not, or the program can use none.
std::string fallback_reason(const Options& options, const kernels::Backend& backend);

/// Most memory that this process has held, bytes (VmHWM).
std::int64_t peak_memory_bytes();

}  // namespace logitfield
