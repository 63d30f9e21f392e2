#include "pipeline/plan/machine.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>

#include "io/error.hpp"
#include "io/memory_limits.hpp"
#include "kernels/device.hpp"
#include "pipeline/mpi/agreement.hpp"

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

/// Makes a back end. Throws InputError if it is absent, since the user can change the options. If the back end fails
/// while it is made, its own exception passes.
template <class Make>
std::unique_ptr<kernels::Backend> made_by(Make&& make) {
  try {
    return make();
  } catch (const kernels::PrecisionUnavailable& error) {
    throw InputError("{}; use --precision float32", error.what());
  } catch (const kernels::BackendUnavailable& error) {
    throw InputError("{}; use --backend cpu", error.what());
  }
}

/// Throws InputError if a rank would exceed its limit of address space (ulimit -v): OpenBLAS would then hang, and
/// oneDNN crash.
void require_addresses(const Plan& plan) {
  // Buffers, stacks and arenas of threads took 90 MiB beyond the plan's memory, measured with the input mapped.
  constexpr std::uint64_t kBesideMemory = std::uint64_t{192} << 20;
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const std::uint64_t needed = proc_bytes("/proc/self/status", "VmSize") + plan.memory_bytes + kBesideMemory;
  if (needed <= limit.rlim_cur) return;
  throw InputError(
      "a rank may use {} of address space (ulimit -v), but needs {} including its files and libraries; raise the "
      "limit, "
      "or use shorter contexts or fewer texts",
      bytes_text(limit.rlim_cur), bytes_text(needed));
}

std::unique_ptr<kernels::Backend> cpu_backend(kernels::Precision precision, const std::string& because) {
  return made_by([&] { return kernels::make_cpu_backend(precision, because); });
}

/// Fills in the GPU memory and workers of the rank with the least memory, since all ranks must decide from equal
/// numbers.
void count_device_memory(const kernels::DeviceMemory& own, const mpi::Communicator& world, Machine& machine) {
  const mpi::Communicator host = world.split_by_host();
  // The GPUs' identities, hashed to numbers that doubles represent exactly.
  const double name = static_cast<double>(std::hash<std::string>{}(own.identity) >> 12);
  std::vector<double> names(static_cast<std::size_t>(host.size()));
  host.all_gather({&name, 1}, names);
  const auto sharing = static_cast<double>(std::ranges::count(names, name));
  double scarcity = -static_cast<double>(own.free_bytes) / sharing, workers = own.workers;
  world.max({&scarcity, 1});
  world.max({&workers, 1});
  machine.device_bytes = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(-scarcity));  // 0 would mean: no GPU
  machine.device_workers = static_cast<int>(workers);
}

}  // namespace

Machine this_machine(const mpi::Communicator& world) {
  const mpi::Communicator host = world.split_by_host();
  // Ranks must decide from the same numbers: those of the host with the least memory per rank.
  const std::uint64_t of_host = proc_bytes("/proc/meminfo", "MemAvailable");
  const auto free_bytes = static_cast<double>(std::min(of_host, io::free_in_control_groups().value_or(of_host)));
  double most_ranks = host.size(), scarcity = -free_bytes / host.size();
  world.max({&scarcity, 1});
  world.max({&most_ranks, 1});
  return {world.size(), static_cast<int>(most_ranks), static_cast<std::uint64_t>(-scarcity * most_ranks), host.rank()};
}

std::unique_ptr<kernels::Backend> open_backend(const Options& options, const mpi::Communicator& world,
                                               Machine& machine) {
  const kernels::Precision precision = options.precision;
  std::unique_ptr<kernels::Backend> backend;
  mpi::agree(world, [&] {
    backend = made_by([&] { return kernels::make_backend(options.backend, precision, machine.local_rank); });
  });
  const bool all = !world.any(!backend->device_memory());
  mpi::agree(world, [&] {
    if (!all && backend->device_memory()) backend = cpu_backend(precision, "another rank has no GPU");
  });
  if (all) count_device_memory(*backend->device_memory(), world, machine);
  return backend;
}

Plan plan_for(const JobSizes& job, const Options& options, Machine& machine,
              std::unique_ptr<kernels::Backend>& backend) {
  Plan plan;
  try {
    plan = make_plan(job, options, machine);
  } catch (const DoesNotFitDevice& error) {
    if (options.backend != kernels::BackendKind::automatic) throw;
    backend = cpu_backend(backend->precision(), error.what());
    machine.device_bytes = 0;
    plan = make_plan(job, options, machine);
  }
  require_addresses(plan);
  return plan;
}

std::string fallback_reason(const Options& options, const kernels::Backend& backend) {
  if (options.backend != kernels::BackendKind::automatic || backend.device_memory() ||
      !kernels::list_devices().supported)
    return {};
  return backend.description();
}

std::int64_t peak_memory_bytes() { return static_cast<std::int64_t>(proc_bytes("/proc/self/status", "VmHWM")); }

}  // namespace logitfield
