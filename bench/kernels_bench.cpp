// Measures the speed of the CPU kernels, each verified before it is timed. Rates count the flops and bytes that the
// algorithm needs.
#include "bench_tools.hpp"
#include "kernels/backend.hpp"
#include "kernels/cpu/attention.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/thin_factor.hpp"
#include "kernels/spectra/lapack.hpp"
#include "tests/kernels/gram_of.hpp"

namespace logitfield::bench {
namespace {

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"L", "d"});
  for (const int d : {64, 128})
    for (const int length : {512, 2048}) b->Args({length, d});
}

/// Baseline: a plain product of the shape of all logits.
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
  const MatrixF q = random_matrix<float>(length, d, 1);
  const Matrix k = Matrix::Zero(length, d);
  double uniform = 0;  // zero logits: row i has entropy ln i
  for (int i = 1; i <= length; ++i) uniform += std::log(i) / static_cast<double>(length);
  const LogitForm form{.scale = 0.1};
  const double entropy = kernels::attention_rows(q, k, form, length).entropy.mean();
  if (!verified(state, std::abs(entropy / uniform - 1), 1e-13)) return;
  for (auto _ : state) benchmark::DoNotOptimize(kernels::attention_rows(q, k, form, length));
  const Size n(state);
  rates(state, n.length * n.length * n.d, 8.0 * 2 * n.length * n.d);
}
BENCHMARK(attention_statistics)->Apply(shapes);

void thin_factor(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const MatrixF a = random_matrix<float>(length, d, 1);
  const kernels::FactorRows rows(a);
  const Matrix all = rows.all();
  const kernels::ThinFactor f = kernels::thin_factor(alone(), rows, testing::gram_of(alone(), rows), length);
  if (!verified(state, (all - f.basis_rows(0, all) * f.r()).norm() / all.norm(), 1e-13)) return;
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::thin_factor(alone(), rows, testing::gram_of(alone(), rows), length));
  }
  const Size n(state);
  rates(state, n.length * n.d * n.d, 4.0 * n.length * n.d);
}
BENCHMARK(thin_factor)->Apply(shapes);

void core_svd(benchmark::State& state) {
  const auto d = state.range(0);
  const Matrix a = random_matrix<double>(d, d, 1);
  const kernels::Svd f = kernels::svd(a);
  const Matrix rebuilt = f.u * Eigen::Map<const Vector>(f.sigma.data(), d).asDiagonal() * f.vt;
  if (!verified(state, (a - rebuilt).norm() / a.norm(), 1e-13)) return;
  for (auto _ : state) benchmark::DoNotOptimize(kernels::svd(a));
}
BENCHMARK(core_svd)->Arg(64)->Arg(128);

/// Eight query heads over one KV head, as the pipeline calls the kernel; time per query head.
void full_field_head(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  std::vector<MatrixF> heads;
  for (unsigned h = 0; h < 8; ++h) heads.push_back(random_matrix<float>(length, d, h));
  const MatrixF keys = random_matrix<float>(length, d, 9);
  const HeadGroup group{{heads.begin(), heads.end()}, keys, std::vector<LogitForm>(8, {.scale = 0.1})};
  const std::vector<FieldRequest> requests{{.context = length}};
  const auto backend = make_backend(BackendKind::cpu);
  for (const auto& head : backend->field_statistics(group, requests)) {
    if (!verified(state, head[0].certificate.certified() ? 0 : 1, 0)) return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(backend->field_statistics(group, requests));
  state.counters["s_per_head"] =
      benchmark::Counter(8, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(full_field_head)->Apply(shapes);

void attention_head(benchmark::State& state) {
  const auto length = state.range(0), d = state.range(1);
  const MatrixF q = random_matrix<float>(length, d, 1), k = random_matrix<float>(length, d, 2);
  const MatrixF v = MatrixF::Ones(length, d);
  MatrixF out(length, d);
  cpu::causal_attention(q, k, v, {.scale = 0.1}, out);
  if (!verified(state, (out.array() - 1).abs().maxCoeff(), 1e-5)) return;  // weights sum to one
  for (auto _ : state) cpu::causal_attention(q, k, v, {.scale = 0.1}, out);
  const Size n(state);
  rates(state, 2.0 * n.length * n.length * n.d, 4.0 * 4 * n.length * n.d);
}
BENCHMARK(attention_head)->Apply(shapes);

}  // namespace
}  // namespace logitfield::bench
