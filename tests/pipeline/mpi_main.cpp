#include <gtest/gtest.h>

#include "pipeline/mpi/communicator.hpp"

// Every rank runs every test. A failure on any rank fails the job through its exit code.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const logitfield::mpi::Environment environment(argc, argv);
  return RUN_ALL_TESTS();
}
