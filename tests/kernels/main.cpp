#include <gtest/gtest.h>

#include "kernels/cpu/blas_kernels.hpp"

/// Runs the tests with the same BLAS kernels as the program.
int main(int argc, char** argv) {
  logitfield::kernels::cpu::restart_with_best_blas(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
