#include "pipeline/mpi/guard.hpp"

#include <fmt/format.h>

#include "io/console.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace logitfield::mpi {
namespace {

void print_error(const Communicator& world, const char* what) {
  const std::string where =
      world.size() > 1 ? fmt::format(" (rank {} on {})", world.rank(), host_name()) : std::string();
  io::tell("error{}: {}", where, what);
}

}  // namespace

int run_guarded(const Communicator& world, const std::function<int()>& body) {
  try {
    return body();
  } catch (const AgreedError& error) {
    if (world.rank() == error.rank) print_error(world, error.what());
    return error.code;
  } catch (const std::exception& error) {
    print_error(world, message_of(error).c_str());
    if (world.size() > 1) abort_job(exit_code_of(error));
    return exit_code_of(error);
  }
}

}  // namespace logitfield::mpi
