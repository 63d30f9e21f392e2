#include "pipeline/mpi/memory_for.hpp"

#include <sys/resource.h>

namespace logitfield::mpi {
namespace {

/// Says how much memory this process has used, and the limit of its address space, if any.
std::string usage() {
  constexpr double kMebi = 1 << 20;
  struct rusage used {};
  ::getrusage(RUSAGE_SELF, &used);
  std::string text = fmt::format("this process has used up to {:.0f} MiB", static_cast<double>(used.ru_maxrss) / 1024);
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    text += fmt::format(" and may use {:.0f} MiB of address space (ulimit -v)",
                        static_cast<double>(limit.rlim_cur) / kMebi);
  }
  return text;
}

}  // namespace

OutOfMemory::OutOfMemory(const std::string& what)
    : std::runtime_error(
          fmt::format("memory does not suffice for {}: {}; ask for less, raise the limit, or use a host with more free "
                      "memory",
                      what, usage())) {}

}  // namespace logitfield::mpi
