#include "pipeline/mpi/agreement.hpp"

#include "io/error.hpp"

namespace logitfield::mpi {

int exit_code_of(const std::exception& error) { return dynamic_cast<const InputError*>(&error) ? 2 : 1; }

void agree(const Communicator& world, const std::function<void()>& step) {
  int code = 0;
  std::string message;
  try {
    step();
  } catch (const std::exception& error) {
    code = exit_code_of(error);
    message = error.what();
  }
  const int failed = world.min(code == 0 ? world.size() : world.rank());
  if (failed == world.size()) return;
  code = world.max(world.rank() == failed ? code : 0);
  throw AgreedError(failed, code, world.broadcast(std::move(message), failed));
}

}  // namespace logitfield::mpi
