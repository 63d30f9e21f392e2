#include "pipeline/machine.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

#include "io/error.hpp"

namespace logitfield {
namespace {

/// Value in bytes of a "Name:  123 kB" line of a file in /proc.
std::uint64_t proc_bytes(const char* path, const std::string& name) {
  std::ifstream file(path);
  std::string key, unit;
  for (std::uint64_t value; file >> key; file.ignore(1 << 16, '\n')) {
    if (key == name + ":" && file >> value) return value * 1024;
  }
  throw std::runtime_error(std::string(path) + " has no line " + name);
}

}  // namespace

Machine this_machine(const mpi::Communicator& world) {
  const mpi::Communicator host = world.split_by_host();
  // The ranks decide alike only from the same numbers: those of the host with the least memory per rank.
  const double free_bytes = static_cast<double>(proc_bytes("/proc/meminfo", "MemAvailable"));
  double most_ranks = host.size(), scarcity = -free_bytes / host.size();
  world.max({&scarcity, 1});
  world.max({&most_ranks, 1});
  return {world.size(), static_cast<int>(most_ranks), static_cast<std::uint64_t>(-scarcity * most_ranks), host.rank()};
}

std::unique_ptr<kernels::Backend> open_backend(const Options& options, const Machine& machine) {
  try {
    return kernels::make_backend(options.backend, kernels::precision_named(options.precision), machine.local_rank);
  } catch (const std::runtime_error& error) {
    throw InputError("{}", error.what());
  }
}

std::int64_t peak_memory_bytes() { return static_cast<std::int64_t>(proc_bytes("/proc/self/status", "VmHWM")); }

}  // namespace logitfield
