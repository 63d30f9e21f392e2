#include <gtest/gtest.h>

#include "pipeline/mpi/communicator.hpp"

// Every rank runs every test; a failure on any rank fails the job, because its exit code does.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const logitfield::mpi::Environment environment(argc, argv);
  return RUN_ALL_TESTS();
}
