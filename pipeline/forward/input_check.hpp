#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/forward/not_finite.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// Reads every weight (or captured value) that the run will use, split over the ranks, before anything is computed or
/// written. Returns one hash of them all, the same on every rank and for every number of ranks. Collective; throws
/// mpi::AgreedError.
/// - A NaN or an infinity throws too, with two exceptions. A capture opened with Finite::not_required may hold them.
///   If `not_finite` is given, such weights of a checkpoint are listed there, on every rank; the hash is then
///   meaningless.
/// - Every later read of this input, on every rank, compares what it uses with this first reading. It throws InputError
///   if the file has changed. (Not if weights are listed in `not_finite`.)
std::uint64_t check_and_hash_input(const Job& job, const mpi::Communicator& world,
                                   std::vector<NotFinite>* not_finite = nullptr);

}  // namespace logitfield
