#include "pipeline/mpi/agreement.hpp"

#include <new>

#include "io/error.hpp"
#include "pipeline/mpi/memory_for.hpp"

namespace logitfield::mpi {

std::string message_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return OutOfMemory("the next step").what();
  return error.what();
}

int exit_code_of(const std::exception& error) { return dynamic_cast<const InputError*>(&error) ? kBadInput : kFailure; }

void agree(const Communicator& world, const std::function<void()>& step) {
  std::string report;  // exit code digit, then the message
  try {
    step();
  } catch (const std::exception& error) {
    report = std::to_string(exit_code_of(error)) + message_of(error);
  }
  const int failed = world.min(report.empty() ? world.size() : world.rank());
  if (failed == world.size()) return;
  report = world.broadcast(std::move(report), failed);
  throw AgreedError(failed, report[0] - '0', report.substr(1));
}

}  // namespace logitfield::mpi
