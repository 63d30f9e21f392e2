#include <fmt/format.h>

#include <algorithm>

#include "cuda_device.hpp"
#include "head_comparison.hpp"
#include "kernels/backend.hpp"
#include "kernels/cuda/field/field_operations.hpp"

namespace logitfield::kernels {
namespace {

using testing::for_thread_orders;
using testing::random_matrix;

struct Group {
  std::vector<MatrixF> queries;
  MatrixF keys;
  std::vector<LogitForm> forms;

  HeadGroup view() const { return {{queries.begin(), queries.end()}, keys, forms}; }
};

Group group_of(Index length, Index d, const std::vector<LogitForm>& forms) {
  Group out;
  for (unsigned h = 0; h < forms.size(); ++h) out.queries.push_back(random_matrix<float>(length, d, 50 + h));
  out.keys = random_matrix<float>(length, d, 49);
  out.keys.rowwise() += random_matrix<float>(1, d, 48).row(0);  // as trained keys have one
  out.forms = forms;
  return out;
}

void expect_same(const HeadStatistics& found, const HeadStatistics& expected) {
  EXPECT_TRUE(found.certificate.certified());
  EXPECT_EQ(found.route, expected.route);
  EXPECT_EQ(found.rank_bound, expected.rank_bound);
  EXPECT_NEAR(found.certificate.zero_sum_margin, expected.certificate.zero_sum_margin, 1);
  testing::expect_leading(found.spectrum, expected.spectrum, 1e-9);
  testing::expect_singular_values(found, expected, 1e-9);
  testing::expect_head(found, expected, 1e-8);
}

void compare(const Group& group, const std::vector<FieldRequest>& requests) {
  const auto found = make_backend(BackendKind::cuda)->field_statistics(group.view(), requests);
  const auto expected = make_backend(BackendKind::cpu)->field_statistics(group.view(), requests);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t h = 0; h < found.size(); ++h) {
    for (std::size_t r = 0; r < requests.size(); ++r) {
      SCOPED_TRACE(fmt::format("head {}, {} at {}", h, scope_name(requests[r].scope), requests[r].context));
      expect_same(found[h][r], expected[h][r]);
    }
  }
}

TEST(CudaField, FactoredFieldsEqualTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    compare(group_of(530, 24, {{.scale = 0.2}, {.scale = 0.3}, {.scale = 0.2, .alibi_slope = 0.125}}),
            {{.context = 20},
             {.context = 65},
             {.context = 530},
             {.context = 257, .scope = Scope::causal_mean},
             {.context = 530, .scope = Scope::causal_mean}});
  });
}

TEST(CudaField, OtherHeadSizesEqualTheCpu) {
  REQUIRE_DEVICE();
  for (const Index d : {1, 7, 64, 130}) compare(group_of(300, d, {{.scale = 0.2}}), {{.context = 290}});
}

// A block has 256 threads, which must also handle columns beyond 256.
TEST(CudaField, HeadsOfMoreThan256ColumnsEqualTheCpu) {
  REQUIRE_DEVICE();
  compare(group_of(400, 300, {{.scale = 0.06}, {.scale = 0.06, .alibi_slope = 0.125}}),
          {{.context = 64},
           {.context = 400},
           {.context = 400, .scope = Scope::causal_mean},
           {.context = 400, .scope = Scope::causal, .route = Route::dense},
           {.context = 400, .scope = Scope::causal, .route = Route::krylov, .components = 400}});
}

TEST(CudaField, KeysThatNeedASecondPassOrTheHost) {
  REQUIRE_DEVICE();
  for (const double orders : {2.0, 5.0, 9.0}) {
    Group group = group_of(300, 16, {{.scale = 0.2}});
    group.keys = testing::graded_matrix(300, 16, orders, 60).cast<float>();
    compare(group, {{.context = 300}});
  }
}

TEST(CudaField, SortsRuns) {
  REQUIRE_DEVICE();
  const cuda::Stream stream;
  for (const Index length : {1, 2, 100, 512, 8192, 8193, 20'000}) {
    const Index rows = 2, stride = length + 3;
    const Matrix values = random_matrix<double>(rows, stride, 70);
    const cuda::Buffer<double> given(as_span(values), stream);
    cuda::Buffer<double> sorted(rows * length, stream);
    cuda::sort_runs(given.data(), rows, stride, length, sorted.data(), stream);
    const std::vector<double> found = sorted.read();
    for (Index r = 0; r < rows; ++r) {
      Vector expected = values.row(r).head(length);
      for (Index first = 0; first < length; first += cuda::kSortedRun) {
        std::sort(expected.begin() + first, expected.begin() + std::min(first + cuda::kSortedRun, length));
      }
      EXPECT_TRUE(std::ranges::equal(
          expected, std::span(found).subspan(static_cast<std::size_t>(r * length), static_cast<std::size_t>(length))))
          << length;
    }
  }
}

// Energies of more positions than one block sorts.
TEST(CudaField, LongContextsEqualTheCpu) {
  REQUIRE_DEVICE();
  compare(group_of(cuda::kSortedRun + 300, 2, {{.scale = 0.2}}), {{.context = cuda::kSortedRun + 300}});
}

// Fourth powers of their singular values leave float64's range.
TEST(CudaField, TinyAndHugeHeadsAreCertified) {
  REQUIRE_DEVICE();
  for (const float size : {1e-41F, 1e-30F, 3e37F}) {
    Group group = group_of(90, 8, {{.scale = 0.3}, {.scale = 0.3}});
    group.queries[1] *= size;
    group.keys *= size;
    for (const Scope scope : {Scope::full, Scope::causal_mean}) {
      const auto found =
          make_backend(BackendKind::cuda)->field_statistics(group.view(), {{{.context = 90, .scope = scope}}});
      const auto expected =
          make_backend(BackendKind::cpu)->field_statistics(group.view(), {{{.context = 90, .scope = scope}}});
      for (std::size_t h = 0; h < 2; ++h) {
        EXPECT_TRUE(found[h][0].certificate.certified()) << size << " head " << h;
        EXPECT_NEAR(found[h][0].spectrum.stable_rank, expected[h][0].spectrum.stable_rank, 1e-8) << size;
      }
    }
  }
}

TEST(CudaField, ConstantKeysHaveNoField) {
  REQUIRE_DEVICE();
  Group constant = group_of(100, 8, {{.scale = 0.2}, {.scale = 0.2, .softcap = 1.0}});
  constant.keys.rowwise() = constant.keys.row(0).eval();
  const std::vector<FieldRequest> requests{{.context = 100, .route = Route::dense},
                                           {.context = 100, .scope = Scope::causal, .route = Route::dense}};
  for (const auto& of_head : make_backend(BackendKind::cuda)->field_statistics(constant.view(), requests)) {
    for (const HeadStatistics& found : of_head) {
      EXPECT_EQ(found.spectrum.energy, 0);
      EXPECT_TRUE(found.certificate.certified());
    }
  }
  constant.forms.pop_back();
  constant.queries.pop_back();
  const auto found =
      make_backend(BackendKind::cuda)->field_statistics(constant.view(), std::vector<FieldRequest>{{.context = 100}});
  EXPECT_EQ(found[0][0].spectrum.energy, 0);
}

TEST(CudaField, CausalFieldsEqualTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    compare(group_of(330, 12, {{.scale = 0.3}, {.scale = 0.3, .alibi_slope = 0.25}}),
            {{.context = 330, .scope = Scope::causal, .route = Route::krylov, .components = 330}});
  });
}

TEST(CudaField, DenseAndCappedFieldsEqualTheCpu) {
  REQUIRE_DEVICE();
  const Group group = group_of(290, 8,
                               {{.scale = 0.4},
                                {.scale = 0.4, .alibi_slope = 0.125},
                                {.scale = 0.4, .softcap = 1.0},
                                {.scale = 0.4, .alibi_slope = 0.125, .softcap = 1.0}});
  std::vector<FieldRequest> requests;
  for (const Scope scope : {Scope::full, Scope::causal, Scope::causal_mean}) {
    for (const Index context : {70, 290})
      requests.push_back({.context = context, .scope = scope, .route = Route::dense});
  }
  compare(group, requests);
}

/// Dense fields are measured on the device, those of the krylov route on the host; attention by masks.
TEST(CudaField, WindowedFieldsEqualTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    for (const Visible& visible : {Visible{.window = 40}, Visible{.chunk = 70}}) {
      std::vector<FieldRequest> requests;
      for (const Scope scope : {Scope::causal, Scope::causal_unwindowed}) {
        for (const Index context : {64, 130}) requests.push_back({context, scope, Route::dense});
      }
      const Group group = group_of(130, 8,
                                   {{.scale = 0.4, .visible = visible},
                                    {.scale = 0.4, .alibi_slope = 0.125, .visible = visible},
                                    {.scale = 0.4, .softcap = 1.0, .visible = visible}});
      compare(group, requests);
      compare(group_of(130, 8, {{.scale = 0.4, .visible = visible}}),
              {{130, Scope::causal, Route::krylov, 130},
               {130, Scope::causal_unwindowed, Route::krylov, 130},
               {130, Scope::full, Route::factored}});
    }
  });
}

TEST(CudaField, ANonFiniteKeyFailsTheCertificate) {
  REQUIRE_DEVICE();
  for (const LogitForm& form : {LogitForm{.scale = 0.4}, LogitForm{.scale = 0.4, .softcap = 1.0}}) {
    Group group = group_of(80, 8, {form});
    group.keys(70, 3) = std::numeric_limits<float>::quiet_NaN();
    const Route route = form.has_factors() ? Route::factored : Route::dense;
    const std::vector<FieldRequest> requests{{.context = 64, .route = route}, {.context = 80, .route = route}};
    const auto found = make_backend(BackendKind::cuda)->field_statistics(group.view(), requests);
    EXPECT_TRUE(found[0][0].certificate.certified());
    EXPECT_FALSE(found[0][1].certificate.certified());
    EXPECT_TRUE(std::isnan(found[0][1].attention.entropy));
  }
}

}  // namespace
}  // namespace logitfield::kernels
