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
  int code = 0;
  std::string message;
  try {
    step();
  } catch (const std::exception& error) {
    code = exit_code_of(error);
    message = message_of(error);
  }
  const int failed = world.min(code == 0 ? world.size() : world.rank());
  if (failed == world.size()) return;
  code = world.max(world.rank() == failed ? code : 0);
  throw AgreedError(failed, code, world.broadcast(std::move(message), failed));
}

}  // namespace logitfield::mpi
