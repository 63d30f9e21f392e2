#include <gtest/gtest.h>

#include "kernels/cpu/blas_kernels.hpp"

/// The tests run on the BLAS kernels that the program runs on.
int main(int argc, char** argv) {
  logitfield::kernels::cpu::restart_with_best_blas(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
