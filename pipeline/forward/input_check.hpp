#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/forward/not_finite.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// Reads every weight (or captured value) that the run will use, split over the ranks, before anything is computed or
/// written. Returns one hash of them all, the same on every rank and for every number of ranks. Collective; throws
/// mpi::AgreedError, also for a NaN or an infinity anywhere. If `not_finite` is given, such weights of a checkpoint are
/// listed there instead, on every rank; the hash is then meaningless. Otherwise every later read of this input, on
/// every rank, compares what it uses with this first reading, and throws InputError if the file has changed.
std::uint64_t check_and_hash_input(const Job& job, const mpi::Communicator& world,
                                   std::vector<NotFinite>* not_finite = nullptr);

}  // namespace logitfield
