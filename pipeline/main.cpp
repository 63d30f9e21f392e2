#include <fmt/format.h>

#include "io/error.hpp"
#include "pipeline/commands.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace {

using namespace logitfield;

int run_command(const Options& options, const mpi::Communicator& world) {
  switch (options.command) {
    case Command::analyze: return analyze(options, world);
    case Command::plan: return plan(options, world);
    case Command::report: return report(options, world);
    case Command::validate: return validate(options, world);
  }
  return 1;
}

/// One line on standard error, in one write, so that ranks do not interleave.
void print_error(const mpi::Communicator& world, const char* what) {
  const std::string where =
      world.size() > 1 ? fmt::format(" (rank {} on {})", world.rank(), mpi::host_name()) : std::string();
  fmt::print(stderr, "logitfield: error{}: {}\n", where, what);
}

int run(int argc, char** argv, const mpi::Communicator& world) {
  try {
    std::optional<Options> options;
    std::string message;
    mpi::agree(world, [&] { options = parse_options(argc, argv, message); });
    if (options) return run_command(*options, world);
    if (world.rank() == 0) fmt::print("{}", message);
    return 0;
  } catch (const mpi::AgreedError& error) {
    if (world.rank() == error.rank) print_error(world, error.what());
    return error.code;
  } catch (const std::exception& error) {
    // The other ranks know nothing of this and would wait for ever.
    print_error(world, error.what());
    if (world.size() > 1) mpi::abort_job(mpi::exit_code_of(error));
    return mpi::exit_code_of(error);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const mpi::Environment environment(argc, argv);
  return run(argc, argv, mpi::Communicator::world());
}
