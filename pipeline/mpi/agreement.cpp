#include "pipeline/mpi/agreement.hpp"

#include "io/error.hpp"

namespace logitfield::mpi {

int exit_code_of(const std::exception& error) { return dynamic_cast<const InputError*>(&error) ? 2 : 1; }

void agree(const Communicator& world, const std::function<void()>& step) {
  std::string report;  // exit code digit, then the message
  try {
    step();
  } catch (const std::exception& error) {
    report = std::to_string(exit_code_of(error)) + error.what();
  }
  const int failed = world.min(report.empty() ? world.size() : world.rank());
  if (failed == world.size()) return;
  report = world.broadcast(std::move(report), failed);
  throw AgreedError(failed, report[0] - '0', report.substr(1));
}

}  // namespace logitfield::mpi
