#pragma once
#include <filesystem>

#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/rates.hpp"

namespace logitfield {

/// Measures this machine while all ranks work at once: products, memory, storage, MPI, layers of a forward pass and
/// fields of Gaussian heads, on the CPU back end. About a minute. Storage is read from `weights`, a large file on the
/// disk that models lie on; if empty, from a file written for it in the current folder. Of every rate the slowest rank
/// counts. The same on every rank. Collective.
Rates calibrate(const mpi::Communicator& world, const std::filesystem::path& weights);

/// For people, a line each.
std::string describe(const Rates& rates);

}  // namespace logitfield
