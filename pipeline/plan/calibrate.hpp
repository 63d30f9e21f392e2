#pragma once
#include <filesystem>

#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/rates.hpp"

namespace logitfield {

/// Measures this machine on the CPU back end while all ranks work at once: products, memory, storage, MPI, layers of a
/// forward pass and fields of Gaussian heads. Takes about a minute. Storage is read from `weights`, a large file on the
/// disk that holds models; if empty, from a file written for it in the current folder. Every rank gets the same
/// rates: those of the slowest rank (storage: of rank 0, which alone reads). Collective.
Rates calibrate(const mpi::Communicator& world, const std::filesystem::path& weights);

/// Text for people, a line per rate.
std::string describe(const Rates& rates);

}  // namespace logitfield
