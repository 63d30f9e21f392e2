#include <signal.h>

#include <cstdlib>  // defines __GLIBC__
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "io/console.hpp"
#include "io/mapped_regions.hpp"
#include "kernels/cpu/blas_kernels.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/job/activity.hpp"
#include "pipeline/job/command_line.hpp"
#include "pipeline/mpi/agreement.hpp"
#include "pipeline/mpi/guard.hpp"

namespace {

using namespace logitfield;

/// A layer's matrices are freed and allocated again. Memory that is returned to the system each time must be cleared
/// again, which takes a sixth of a forward pass in bf16.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargest = 32 << 20, kKept = 256 << 20;
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

int run_command(const Options& options, const mpi::Communicator& world) {
  switch (options.command) {
    case Command::analyze:
      return analyze(options, world);
    case Command::compare:
      return compare(options, world);
    case Command::convert:
      return convert(options, world);
    case Command::monitor:
      return monitor(options, world);
    case Command::plan:
      return plan(options, world);
    case Command::report:
      return report(options, world);
    case Command::tokens:
      return tokens(options, world);
    case Command::validate:
      return validate(options, world);
  }
  return 1;
}

int run(int argc, char** argv, const mpi::Communicator& world) {
  std::optional<Options> options;
  std::string message;
  mpi::agree(world, [&] { options = parse_options(argc, argv, message); });
  if (world.rank() == 0) show_activities();
  if (options) return run_command(*options, world);
  if (world.rank() == 0) io::print_text(message);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  kernels::cpu::restart_with_best_blas(argv);
  io::prepare_console();
  keep_freed_memory();
  const mpi::Environment environment(argc, argv);
  io::tell_of_lost_pages(mpi::kBadInput);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond `ulimit -f` then fails with a message
  const mpi::Communicator world = mpi::Communicator::world();
  return mpi::run_guarded(world, [&] { return run(argc, argv, world); });
}
