#pragma once
#include <benchmark/benchmark.h>

#include <random>

#include "kernels/matrix.hpp"

namespace logitfield::bench {

using namespace kernels;

template <class Scalar>
RowMajor<Scalar> random_matrix(Index rows, Index columns, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<Scalar> normal;
  return RowMajor<Scalar>::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

/// Ends the benchmark with an error unless `error` is small (NaN is not).
inline bool verified(benchmark::State& state, double error, double tolerance) {
  if (error <= tolerance) return true;
  state.SkipWithError("the kernel's answer is wrong");
  return false;
}

/// The arguments of a benchmark; flops and bytes are computed from them.
struct Size {
  double length, d;
  explicit Size(const benchmark::State& state)
      : length(static_cast<double>(state.range(0))), d(static_cast<double>(state.range(1))) {}
};

inline void rates(benchmark::State& state, double flops, double bytes) {
  const auto per_second = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["flops"] = benchmark::Counter(flops, per_second);
  state.counters["bytes"] = benchmark::Counter(bytes, per_second);
}

}  // namespace logitfield::bench
