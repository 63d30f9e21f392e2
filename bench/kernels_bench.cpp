// Speed of the CPU kernels, each verified before it is timed. Rates are of the flops and bytes that the algorithm
// needs.
#include <benchmark/benchmark.h>

#include <random>

#include "kernels/backend.hpp"
#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/attention_statistics.hpp"
#include "kernels/cpu/coherence.hpp"
#include "kernels/cpu/energies.hpp"
#include "kernels/cpu/gram.hpp"
#include "kernels/cpu/lapack.hpp"
#include "kernels/cpu/thin_factor.hpp"

namespace {

using namespace logitfield::kernels;

template <class Scalar>
RowMajor<Scalar> random_matrix(Index rows, Index columns, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::normal_distribution<Scalar> normal;
  return RowMajor<Scalar>::NullaryExpr(rows, columns, [&] { return normal(generator); });
}

/// Ends the benchmark with an error where `error` is not small (or NaN).
bool verified(benchmark::State& state, double error, double tolerance) {
  if (error <= tolerance) return true;
  state.SkipWithError("the kernel's answer is wrong");
  return false;
}

/// The arguments of a benchmark, for counting flops and bytes.
struct Size {
  double length, d;
  explicit Size(const benchmark::State& state)
      : length(static_cast<double>(state.range(0))), d(static_cast<double>(state.range(1))) {}
};

void rates(benchmark::State& state, double flops, double bytes) {
  const auto per_second = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["flops"] = benchmark::Counter(flops, per_second);
  state.counters["bytes"] = benchmark::Counter(bytes, per_second);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"L", "d"});
  for (const int d : {64, 128})
    for (const int length : {512, 2048}) b->Args({length, d});
}

/// The yardstick: a bare product of the shape of all logits.
void bare_product(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const Matrix q = random_matrix<double>(length, d, 1), k = random_matrix<double>(length, d, 2);
  Matrix s(length, length);
  for (auto _ : state) {
    s.noalias() = q * k.transpose();
    benchmark::DoNotOptimize(s.data());
  }
  const Size n(state);
  rates(state, 2.0 * n.length * n.length * n.d, 8.0 * (2 * n.length * n.d + n.length * n.length));
}
BENCHMARK(bare_product)->Apply(shapes);

void attention_statistics(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const Matrix q = random_matrix<double>(length, d, 1), k = Matrix::Zero(length, d);
  const std::vector<std::int64_t> contexts{length};
  double uniform = 0;  // zero logits: row i has entropy ln i
  for (int i = 1; i <= length; ++i) uniform += std::log(i) / static_cast<double>(length);
  const double entropy = cpu::attention_statistics(q, k, 0.1, contexts)[0].entropy;
  if (!verified(state, std::abs(entropy / uniform - 1), 1e-13)) return;
  for (auto _ : state) benchmark::DoNotOptimize(cpu::attention_statistics(q, k, 0.1, contexts));
  const Size n(state);
  rates(state, n.length * n.length * n.d, 8.0 * 2 * n.length * n.d);
}
BENCHMARK(attention_statistics)->Apply(shapes);

void thin_factor(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const Matrix a = random_matrix<double>(length, d, 1);
  const cpu::ThinFactor f = cpu::thin_factor(a);
  if (!verified(state, (a - f.basis * f.r).norm() / a.norm(), 1e-13)) return;
  for (auto _ : state) benchmark::DoNotOptimize(cpu::thin_factor(a));
  const Size n(state);
  rates(state, 4.0 * n.length * n.d * n.d, 8.0 * 6 * n.length * n.d);
}
BENCHMARK(thin_factor)->Apply(shapes);

void energies(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const Matrix a = random_matrix<double>(length, d, 1), g = cpu::gram(a);
  const double total = cpu::energies(a, g, 1).sum();
  if (!verified(state, std::abs(total / g.squaredNorm() - 1), 1e-12)) return;
  for (auto _ : state) benchmark::DoNotOptimize(cpu::energies(a, g, 1));
  const Size n(state);
  rates(state, 2.0 * n.length * n.d * n.d, 8.0 * 3 * n.length * n.d);
}
BENCHMARK(energies)->Apply(shapes);

void core_svd(benchmark::State& state) {
  const auto d = state.range(0);
  const Matrix a = random_matrix<double>(d, d, 1);
  const cpu::Svd f = cpu::svd(a);
  const Matrix rebuilt = f.u * Eigen::Map<const Vector>(f.sigma.data(), d).asDiagonal() * f.vt;
  if (!verified(state, (a - rebuilt).norm() / a.norm(), 1e-13)) return;
  for (auto _ : state) benchmark::DoNotOptimize(cpu::svd(a));
}
BENCHMARK(core_svd)->Arg(64)->Arg(128);

/// Eight query heads over one KV head, as the pipeline calls it; time per query head.
void full_field_head(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  std::vector<MatrixF> heads;
  for (unsigned h = 0; h < 8; ++h) heads.push_back(random_matrix<float>(length, d, h));
  const MatrixF keys = random_matrix<float>(length, d, 9);
  const std::vector<MatrixFRef> queries(heads.begin(), heads.end());
  const std::vector<std::int64_t> contexts{length};
  const auto backend = make_backend("cpu");
  for (const auto& head : backend->full_field_statistics(queries, keys, 0.1, contexts)) {
    if (!verified(state, head[0].certificate.certified() ? 0 : 1, 0)) return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(backend->full_field_statistics(queries, keys, 0.1, contexts));
  state.counters["s_per_head"] =
      benchmark::Counter(8, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(full_field_head)->Apply(shapes);

void attention_head(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const MatrixF q = random_matrix<float>(length, d, 1), k = random_matrix<float>(length, d, 2);
  const MatrixF v = MatrixF::Ones(length, d);
  MatrixF out(length, d);
  cpu::causal_attention(q, k, v, 0.1F, std::nullopt, out);
  if (!verified(state, (out.array() - 1).abs().maxCoeff(), 1e-5)) return;  // weights sum to one
  for (auto _ : state) cpu::causal_attention(q, k, v, 0.1F, std::nullopt, out);
  const Size n(state);
  rates(state, 2.0 * n.length * n.length * n.d, 4.0 * 4 * n.length * n.d);
}
BENCHMARK(attention_head)->Apply(shapes);

}  // namespace
