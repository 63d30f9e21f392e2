#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/plan.hpp"

namespace logitfield {

/// Counts the ranks and finds the free memory of the host that has least. Limits of containers and other control groups
/// count as limits of the host. Collective.
Machine this_machine(const mpi::Communicator& world);

/// Opens the back end that the options ask for, the same on every rank. On GPUs the ranks of a host take one each, in
/// turn, and `machine` gets their memory sizes. With --backend auto all ranks compute on CPUs if one has no GPU. If the
/// back end is not available, every rank throws mpi::AgreedError with the reason. Collective.
std::unique_ptr<kernels::Backend> open_backend(const Options& options, const mpi::Communicator& world,
                                               Machine& machine);

/// Calls make_plan. With --backend auto, replaces `backend` by the CPU's if only the GPUs' memory is too small.
Plan plan_for(const JobSizes& job, const Options& options, Machine& machine,
              std::unique_ptr<kernels::Backend>& backend);

/// Why --backend auto fell back to CPUs. Empty if it did not, or if this program cannot use a GPU.
std::string fallback_reason(const Options& options, const kernels::Backend& backend);

/// Peak memory of this process, bytes (VmHWM).
std::int64_t peak_memory_bytes();

}  // namespace logitfield
