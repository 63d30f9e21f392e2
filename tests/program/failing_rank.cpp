// A job in which one rank fails alone while the others wait for it: failing_rank RANK input|other
#include <stdexcept>
#include <string>

#include "io/error.hpp"
#include "pipeline/mpi/guard.hpp"

int main(int argc, char** argv) {
  using namespace logitfield;
  const mpi::Environment environment(argc, argv);
  const mpi::Communicator world = mpi::Communicator::world();
  return mpi::run_guarded(world, [&] {
    if (world.rank() == std::stoi(argv[1])) {
      if (std::string(argv[2]) == "input") throw InputError("{}: this rank's file is broken", "some.file");
      throw std::runtime_error("this rank's arithmetic is broken");
    }
    return world.min(0);  // waits for the rank that never comes
  });
}
