// Measures the speed of the field kernels and of the computations that they replace. Each is verified before it is
// timed. Rates count the flops and bytes that the algorithm needs; bench/long_context.py turns a run into ratios.
#include "bench_tools.hpp"
#include "kernels/backend.hpp"
#include "kernels/field/causal_field.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/head_context.hpp"
#include "kernels/spectra/blas.hpp"
#include "kernels/spectra/krylov.hpp"
#include "kernels/spectra/lapack.hpp"
#include "kernels/spectra/two_stage.hpp"
#include "kernels/tiles.hpp"

namespace logitfield::bench {
namespace {

/// A head whose keys have a mean, as trained ones do.
struct Head {
  MatrixF q, k;
  LogitForm form;
  Placement placement;

  Head(Index length, Index d)
      : q(random_matrix<float>(length, d, 1)),
        k(random_matrix<float>(length, d, 2)),
        form{.scale = 1 / std::sqrt(static_cast<double>(d))},
        placement{0, length} {
    k.rowwise() += random_matrix<float>(1, d, 3).row(0);
  }
  /// Centring, row means and energies, from float32 Q and K.
  kernels::CausalEnergies energies() const {
    const kernels::CentredKeys keys = kernels::centred_keys(alone(), k, placement);
    return kernels::causal_energies(alone(), kernels::field_queries(q, form),
                                    kernels::field_keys(keys, form, placement), placement);
  }
  kernels::CausalField causal() const {
    const kernels::CentredKeys keys = kernels::centred_keys(alone(), k, placement);
    return kernels::causal_field(kernels::field_queries(q, form), kernels::field_keys(keys, form, placement),
                                 energies().means);
  }
  HeadGroup group() const { return {{q}, k, {form}}; }
};

Head head_of(const benchmark::State& state) { return {state.range(0), state.range(1)}; }

/// The two Gram products of a head; the factored route is compared with them.
void gram_products(benchmark::State& state) {
  const Head head = head_of(state);
  const Matrix q = head.q.cast<double>(), k = head.k.cast<double>();
  for (auto _ : state) {
    for (const Matrix* a : {&q, &k}) {
      Matrix gram = Matrix::Zero(a->cols(), a->cols());
      kernels::add_gram(*a, gram);
      benchmark::DoNotOptimize(gram.data());
    }
  }
  const Size n(state);
  rates(state, 2 * n.length * n.d * n.d, 16 * n.length * n.d);
}
BENCHMARK(gram_products)->ArgNames({"L", "d"})->Args({1024, 64})->Args({131072, 128})->Unit(benchmark::kMillisecond);

/// Every statistic of scope full except attention, from float32 Q and K.
void full_field(benchmark::State& state) {
  const Head head = head_of(state);
  const HeadGroup group = head.group();
  const FieldRequest request{.context = state.range(0)};
  const auto measure = [&] { return kernels::HeadContext(alone(), group, head.placement).measure(0, request); };
  if (!verified(state, measure().certificate.certified() ? 0 : 1, 0)) return;
  for (auto _ : state) benchmark::DoNotOptimize(measure());
  const Size n(state);
  rates(state, 5 * n.length * n.d * n.d, 8 * n.length * n.d);
}
BENCHMARK(full_field)->ArgNames({"L", "d"})->Args({1024, 64})->Args({131072, 128})->Unit(benchmark::kMillisecond);

/// The replaced computation: forming the field and taking LAPACK's singular values.
void full_field_by_lapack(benchmark::State& state) {
  const Head head = head_of(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels::singular_values(kernels::dense_field(head.q, head.k, head.form, Scope::full)));
  }
  const Size n(state);
  rates(state, 2 * n.length * n.length * n.d + 8.0 / 3 * n.length * n.length * n.length, 8 * n.length * n.length);
}
BENCHMARK(full_field_by_lapack)->ArgNames({"L", "d"})->Args({1024, 64})->Unit(benchmark::kMillisecond);

/// The exact spectrum of a causal field, by this program and by LAPACK.
void causal_spectrum(benchmark::State& state) {
  const Head head = head_of(state);
  const Matrix field = kernels::dense_field(head.q, head.k, head.form, Scope::causal);
  const Index coupling = head.q.cols() + 1;
  const std::vector<double> expected = kernels::singular_values(field),
                            found = kernels::two_stage_singular_values(field, coupling);
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i]));
  if (!verified(state, worst / expected[0], 1e-12)) return;
  for (auto _ : state) benchmark::DoNotOptimize(kernels::two_stage_singular_values(field, coupling));
  const Size n(state);
  rates(state, 8.0 / 3 * n.length * n.length * n.length, 8 * n.length * n.length);
}
void causal_spectrum_by_lapack(benchmark::State& state) {
  const Head head = head_of(state);
  const Matrix field = kernels::dense_field(head.q, head.k, head.form, Scope::causal);
  for (auto _ : state) benchmark::DoNotOptimize(kernels::singular_values(field));
  const Size n(state);
  rates(state, 8.0 / 3 * n.length * n.length * n.length, 8 * n.length * n.length);
}
BENCHMARK(causal_spectrum)
    ->ArgNames({"L", "d"})
    ->Args({512, 64})
    ->Args({1024, 64})
    ->Args({2048, 64})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(causal_spectrum_by_lapack)
    ->ArgNames({"L", "d"})
    ->Args({512, 64})
    ->Args({1024, 64})
    ->Unit(benchmark::kMillisecond);

/// Energies of the causal field from explicit logits, a tile of rows at a time: products with all keys, as in the plain
/// loop, or only with the unmasked keys.
kernels::CausalEnergies explicit_energies(const Head& head, bool all_keys) {
  constexpr Index kRows = 128;
  const Matrix q = head.form.scale * head.q.cast<double>(), k = head.k.cast<double>();
  const Index length = q.rows();
  kernels::CausalEnergies out{Vector::Zero(length), Vector(length), {}};
  Matrix logits;
  kernels::for_tiles(length, kRows, [&](Index begin, Index count) {
    logits.noalias() = q.middleRows(begin, count) * k.topRows(all_keys ? length : begin + count).transpose();
    for (Index r = 0; r < count; ++r) {
      auto row = logits.row(r).head(begin + r + 1);
      row.array() -= row.mean();
      row = row.cwiseAbs2();
      out.queries[begin + r] = row.sum();
      out.keys.head(row.size()) += row;
    }
  });
  return out;
}

void causal_energies_explicit(benchmark::State& state) {
  const Head head = head_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(explicit_energies(head, false));
  const Size n(state);
  rates(state, n.length * n.length * n.d, 16 * n.length * n.d);
}
void causal_energies_all_logits(benchmark::State& state) {
  const Head head = head_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(explicit_energies(head, true));
  const Size n(state);
  rates(state, 2 * n.length * n.length * n.d, 16 * n.length * n.d);
}
BENCHMARK(causal_energies_all_logits)
    ->ArgNames({"L", "d"})
    ->Args({8192, 64})
    ->Args({8192, 128})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(causal_energies_explicit)
    ->ArgNames({"L", "d"})
    ->Args({8192, 64})
    ->Args({8192, 128})
    ->Unit(benchmark::kMillisecond);

void causal_energies(benchmark::State& state) {
  const Head head = head_of(state);
  if (state.range(0) <= 8192) {
    const kernels::CausalEnergies expected = explicit_energies(head, false), found = head.energies();
    if (!verified(state, (found.keys - expected.keys).norm() / expected.keys.norm(), 1e-11)) return;
    if (!verified(state, (found.queries - expected.queries).norm() / expected.queries.norm(), 1e-11)) return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(head.energies());
  const Size n(state);
  rates(state, n.length * n.d * (4 * n.d + 128), 24 * n.length * n.d);
}
BENCHMARK(causal_energies)
    ->ArgNames({"L", "d"})
    ->Args({8192, 64})
    ->Args({8192, 128})
    ->ArgsProduct({benchmark::CreateRange(1024, 262144, 4), {64}})
    ->Unit(benchmark::kMillisecond);

void causal_operator(benchmark::State& state) {
  const Head head = head_of(state);
  const kernels::CausalField field = head.causal();
  const kernels::CausalOperator matrix(alone(), field);
  const Matrix x = random_matrix<double>(head.q.rows(), 32, 4);
  Matrix y, z;
  matrix.apply(x, y);
  matrix.apply_transpose(y, z);
  if (!verified(state, std::abs(x.cwiseProduct(z).sum() / y.squaredNorm() - 1), 1e-11)) return;
  for (auto _ : state) matrix.apply(x, y);
  const Size n(state);
  rates(state, n.length * n.d * (4 * 32 + 2 * 32), 8 * n.length * (n.d + 64));
}
BENCHMARK(causal_operator)
    ->ArgNames({"L", "d"})
    ->Args({8192, 64})
    ->Args({8192, 128})
    ->Args({65536, 128})
    ->Unit(benchmark::kMillisecond);

/// Leading 32 triplets of a head whose queries and keys have a decaying spectrum.
void krylov(benchmark::State& state) {
  Head head = head_of(state);
  for (Index c = 0; c < head.q.cols(); ++c) {
    head.q.col(c) *= std::pow(0.9F, static_cast<float>(c));
    head.k.col(c) *= std::pow(0.9F, static_cast<float>(c));
  }
  const kernels::CausalField field = head.causal();
  const kernels::CausalOperator matrix(alone(), field);
  const double energy = head.energies().queries.sum();
  const kernels::KrylovTarget target{.length = head.q.rows(), .energy = energy, .most_components = 32};
  Index products = 0;
  for (auto _ : state) {
    const kernels::LeadingTriplets found = kernels::leading_triplets(alone(), matrix, 0, target);
    if (!verified(state, found.residual, target.tolerance)) return;
    products = found.products;
  }
  const Size n(state);
  state.counters["products"] = static_cast<double>(products);
  rates(state, static_cast<double>(products) * n.length * n.d * (4 * 32 + 2 * 32),
        static_cast<double>(products) * 8 * n.length * (n.d + 64));
}
BENCHMARK(krylov)->ArgNames({"L", "d"})->Args({4096, 64})->Args({16384, 64})->Unit(benchmark::kMillisecond);

void centring(benchmark::State& state) {
  const Head head = head_of(state);
  if (!verified(state, kernels::centred_keys(alone(), head.k, head.placement).rows.all().colwise().sum().norm(),
                1e-9)) {
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(kernels::centred_keys(alone(), head.k, head.placement));
  const Size n(state);
  rates(state, 4 * n.length * n.d, 8 * n.length * n.d);
}
BENCHMARK(centring)->ArgNames({"L", "d"})->Args({8192, 64})->Args({131072, 128})->Unit(benchmark::kMillisecond);

/// Formation of the L x L field: logits and row centring.
void logits(benchmark::State& state) {
  const Head head = head_of(state);
  if (!verified(state, kernels::dense_field(head.q, head.k, head.form, Scope::full).rowwise().sum().norm(), 1e-7))
    return;
  for (auto _ : state) benchmark::DoNotOptimize(kernels::dense_field(head.q, head.k, head.form, Scope::full));
  const Size n(state);
  rates(state, 2 * n.length * n.length * n.d, 8 * n.length * n.length);
}
BENCHMARK(logits)->ArgNames({"L", "d"})->Args({2048, 64})->Args({2048, 128})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace logitfield::bench
