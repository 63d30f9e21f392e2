#include <benchmark/benchmark.h>

#include "kernels/cpu/blas_kernels.hpp"

int main(int argc, char** argv) {
  logitfield::kernels::cpu::restart_with_best_blas(argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
