#include <fmt/format.h>

#include <limits>

#include "cuda_device.hpp"
#include "kernels/cuda/field/direct_field.hpp"
#include "kernels/field/dense_field.hpp"
#include "kernels/field/oracle.hpp"
#include "kernels/field/routes.hpp"
#include "kernels/field/row_sample.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cuda {
namespace {

using testing::for_thread_orders;
using testing::random_matrix;

constexpr Scope kScopes[] = {Scope::full, Scope::causal, Scope::causal_mean, Scope::causal_unwindowed};
constexpr LogitForm kForms[] = {{.scale = 0.4},
                                {.scale = 0.4, .alibi_slope = 0.0625},
                                {.scale = 0.4, .softcap = 1.5},
                                {.scale = 0.4, .alibi_slope = 0.0625, .softcap = 1.5},
                                {.scale = 0.4, .visible = {.window = 37}},
                                {.scale = 0.4, .softcap = 1.5, .visible = {.chunk = 40}}};

struct Head {
  MatrixF queries, keys;
};

Head head_of(Index length, Index columns) {
  return {random_matrix<float>(length, columns, 71), random_matrix<float>(length, columns, 72)};
}

FactorForm form_of(const Buffer<float>& rows, const MatrixF& host, double factor) {
  const HeadRows all{.data = rows.data(), .length = host.rows(), .columns = static_cast<int>(host.cols())};
  return FactorForm{.rows = all, .factor = factor};
}

Buffer<float> upload(const MatrixF& host, const Worker& worker) {
  Buffer<float> out(std::span<const float>(host.data(), static_cast<std::size_t>(host.size())), worker.stream);
  worker.stream.wait();
  return out;
}

kernels::FormedField on_device(const Head& head, const LogitForm& form, Scope scope) {
  const Worker worker;
  const Index length = head.keys.rows();
  const Buffer<float> q = upload(head.queries, worker), k = upload(head.keys, worker);
  const Buffer<double> probes = cuda::upload(probe_rows(0, length).transpose(), worker);
  const DirectHead rule{form.alibi_slope, form.softcap.value_or(0), key_mask(mask_of(form, scope, length))};
  const Buffer<DirectHead> rules{std::span<const DirectHead>(&rule, 1), worker.stream};
  Buffer<double> field(length * length, worker.stream), sums(length * kDirectSums, worker.stream),
      energy(length, worker.stream);
  energy.zero();
  form_field(worker, form_of(q, head.queries, form.scale), form_of(k, head.keys, 1),
             {length, rules.data(), scope != Scope::full, is_masked(scope), probes.data()}, field.data(), sums.data());
  add_column_squares(field.data(), 1, length, length, energy.data(), worker.stream);
  const Matrix found = download(sums, length, kDirectSums);
  return {download(field, length, length), download(energy, length, 1), found.col(1 + kernels::kSquares),
          found.rightCols(kVectors)};
}

/// The error of a sum depends on the number and size of its terms, that of a mean on its row; a cap increases neither.
void expect_same(const kernels::FormedField& found, const kernels::FormedField& expected, double rounding) {
  const double length = static_cast<double>(expected.field.rows());
  const double largest = expected.field.cwiseAbs().maxCoeff();
  const auto off = [](const auto& a, const auto& b) { return (a - b).cwiseAbs().maxCoeff(); };
  EXPECT_TRUE(off(found.field, expected.field) <= rounding);
  EXPECT_TRUE(off(found.key_energy, expected.key_energy) <= 3 * length * largest * rounding);
  EXPECT_TRUE(off(found.query_energy, expected.query_energy) <= 3 * length * largest * rounding);
  EXPECT_TRUE(off(found.products, expected.products) <= 3 * length * rounding);
}

TEST(CudaDirect, FieldsOfEveryScopeEqualTheCpu) {
  REQUIRE_DEVICE();
  for (const Index length : {2, 65, 256, 300}) {
    const Head head = head_of(length, 7);
    for (const LogitForm& form : kForms) {
      LogitForm uncapped = form;
      uncapped.softcap.reset();
      const double logit =
          oracle::logits(head.queries.cast<double>(), head.keys.cast<double>(), uncapped).cwiseAbs().maxCoeff();
      const double rounding = static_cast<double>(2 * length + 7) * kEpsilon * logit;
      for (const Scope scope : kScopes) {
        // The two scopes differ only where a layer has a window; other scopes ignore it.
        const bool windowed = form.visible != Visible{};
        if (windowed ? !is_masked(scope) || length > 256 : scope == Scope::causal_unwindowed) continue;
        SCOPED_TRACE(fmt::format("{} rows, {}, slope {}, cap {}", length, scope_name(scope), form.alibi_slope,
                                 form.softcap.value_or(0)));
        const Matrix field = kernels::dense_field(head.queries, head.keys, form, scope);
        expect_same(on_device(head, form, scope), kernels::formed_field(field), rounding);
      }
    }
  }
}

TEST(CudaDirect, SumsDoNotDependOnTheOrderOfThreads) {
  REQUIRE_DEVICE();
  const Head head = head_of(301, 5);
  const kernels::FormedField first = on_device(head, kForms[3], Scope::causal);
  for_thread_orders([&] {
    const kernels::FormedField again = on_device(head, kForms[3], Scope::causal);
    EXPECT_TRUE(again.field == first.field);
    EXPECT_TRUE(again.key_energy == first.key_energy);
    EXPECT_TRUE(again.query_energy == first.query_energy);
    EXPECT_TRUE(again.products == first.products);
  });
}

TEST(CudaDirect, ANanReachesEveryRowThatSeesItAndNoOther) {
  REQUIRE_DEVICE();
  Head head = head_of(280, 5);
  head.keys(270, 2) = std::numeric_limits<float>::quiet_NaN();
  const kernels::FormedField causal = on_device(head, kForms[2], Scope::causal);
  EXPECT_TRUE(causal.query_energy.head(270).allFinite());
  EXPECT_TRUE(causal.products.topRows(270).allFinite());
  EXPECT_TRUE(causal.query_energy.tail(10).array().isNaN().all());
  EXPECT_TRUE(causal.key_energy.array().isNaN().all());
  EXPECT_TRUE(on_device(head, kForms[2], Scope::full).query_energy.array().isNaN().all());
}

}  // namespace
}  // namespace logitfield::kernels::cuda
