#pragma once
#include "pipeline/job/options.hpp"
#include "pipeline/mpi/communicator.hpp"

namespace logitfield {

/// Each function runs one command on all ranks and returns the exit code. Throws mpi::AgreedError for failures that all
/// ranks know of, any other exception if one rank fails alone.
int analyze(const Options& options, const mpi::Communicator& world);
int compare(const Options& options, const mpi::Communicator& world);
int convert(const Options& options, const mpi::Communicator& world);
int monitor(const Options& options, const mpi::Communicator& world);
int plan(const Options& options, const mpi::Communicator& world);
int report(const Options& options, const mpi::Communicator& world);
int tokens(const Options& options, const mpi::Communicator& world);
int validate(const Options& options, const mpi::Communicator& world);

}  // namespace logitfield
