#include <cmath>

#include "cuda_device.hpp"
#include "kernels/cpu/attention.hpp"
#include "kernels/cuda/field/attention_statistics.hpp"
#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/heads.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cuda {
namespace {

using testing::for_thread_orders;
using testing::random_matrix;

struct Case {
  Index heads, kv_heads, length, head_dim, value_dim;
  LogitForm form;
};

HeadForm form_of(const LogitForm& form) { return head_forms({&form, 1})[0]; }

/// Rows of `width` in T, zero beyond the columns; `rows` becomes their float32 values.
template <class T>
Buffer<T> narrow(MatrixF& rows, const Stream& stream, Index width) {
  std::vector<T> out(static_cast<std::size_t>(rows.rows() * width), from_float<T>(0));
  for (Index i = 0; i < rows.rows(); ++i) {
    for (Index j = 0; j < rows.cols(); ++j) {
      const T value = from_float<T>(rows(i, j));
      out[static_cast<std::size_t>(i * width + j)] = value;
      rows(i, j) = to_float(value);
    }
  }
  Buffer<T> device{std::span<const T>(out), stream};
  stream.wait();
  return device;
}

/// Largest difference from the CPU's attention on the same numbers, divided by the largest value.
template <class T>
double difference(const Case& c) {
  const Stream stream;
  MatrixF q = random_matrix<float>(c.heads * c.length, c.head_dim, 1),
          k = random_matrix<float>(c.kv_heads * c.length, c.head_dim, 2),
          v = random_matrix<float>(c.kv_heads * c.length, c.value_dim, 3);
  const Buffer<T> queries = narrow<T>(q, stream, padded(c.head_dim)), keys = narrow<T>(k, stream, padded(c.head_dim)),
                  values = narrow<T>(v, stream, padded(c.value_dim));
  const std::vector<HeadForm> host_forms(static_cast<std::size_t>(c.heads), form_of(c.form));
  const Buffer<HeadForm> forms{std::span<const HeadForm>(host_forms), stream};
  Buffer<T> out(c.length * c.heads * c.value_dim, stream);
  attend({c.heads, c.kv_heads, c.length, static_cast<int>(c.head_dim), static_cast<int>(c.value_dim)}, forms.data(),
         queries.data(), keys.data(), values.data(), out.data(), stream);
  const std::vector<T> found = out.read();

  double worst = 0;
  MatrixF expected(c.length, c.value_dim);
  for (Index h = 0; h < c.heads; ++h) {
    const Index kv = h / (c.heads / c.kv_heads);
    cpu::causal_attention(q.middleRows(h * c.length, c.length), k.middleRows(kv * c.length, c.length),
                          v.middleRows(kv * c.length, c.length), c.form, expected);
    for (Index i = 0; i < c.length; ++i) {
      for (Index j = 0; j < c.value_dim; ++j) {
        const T value = found[static_cast<std::size_t>((i * c.heads + h) * c.value_dim + j)];
        const double off = std::abs(static_cast<double>(to_float(value) - expected(i, j)));
        worst = off <= worst ? worst : off;  // a NaN stays
      }
    }
  }
  return worst / static_cast<double>(v.cwiseAbs().maxCoeff());
}

const std::vector<Case> kCases{
    {1, 1, 1, 8, 8, {.scale = 0.3}},
    {2, 1, 65, 16, 16, {.scale = 0.25}},
    {4, 2, 130, 24, 24, {.scale = 0.2}},
    {1, 1, 97, 64, 40, {.scale = 0.125, .visible = {.window = 20}}},
    {2, 1, 150, 16, 16, {.scale = 0.3, .visible = {.window = 70}}},
    {1, 1, 150, 16, 16, {.scale = 0.3, .visible = {.chunk = 33}}},
    {1, 1, 140, 8, 8, {.scale = 0.3, .visible = {.chunk = 64}}},
    {1, 1, 200, 8, 8, {.scale = 1, .visible = {.window = 1}}},
    {2, 2, 75, 20, 20, {.scale = 0.2, .alibi_slope = 0.25}},
    {1, 1, 75, 32, 32, {.scale = 0.7, .softcap = 2.0}},
    {1, 1, 70, 192, 128, {.scale = 0.07, .visible = {.window = 66}}},
    {1, 1, 66, 256, 256, {.scale = 0.06}},
    {1, 1, 130, 64, 64, {.scale = -0.125}},
    {2, 1, 150, 128, 128, {.scale = 0.09, .visible = {.window = 140}}},
    {1, 1, 70, 80, 96, {.scale = 0.11}},
    {2, 1, 75, 64, 64, {.scale = 0.125, .sink = 0.75}},
    {1, 1, 70, 16, 16, {.scale = 0.3, .visible = {.window = 20}, .sink = 6}},
    {1, 1, 40, 8, 8, {.scale = -0.3, .sink = -2}},
    {1, 1, 40, 8, 8, {.scale = 0.3, .softcap = 2.0, .sink = 1}},
    {1, 1, 70, 128, 128, {.scale = 0.09, .sink = -400}},
    {1, 1, 40, 16, 16, {.scale = 0.3, .sink = 900}},
};

// Bounds follow from sums of length + head_dim float32 terms of size 1.
TEST(CudaAttention, Float32EqualsTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    for (const Case& c : kCases) EXPECT_TRUE(difference<float>(c) <= 1e-5) << c.length << " x " << c.head_dim;
  });
}

// The weights, at most 1, and the output are rounded to 8 bits: 2^-9 each, and little else.
TEST(CudaAttention, TensorCoresEqualTheCpuToBf16) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    for (const Case& c : kCases) EXPECT_TRUE(difference<Bf16>(c) <= 0.0045) << c.length << " x " << c.head_dim;
  });
}

/// Largest difference of a head's softmax statistics from the CPU's on the same numbers.
double off(const Matrix& rows, const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form) {
  const std::vector<std::int64_t> contexts{rows.rows()};
  const AttentionStatistics expected = kernels::attention_statistics(
      kernels::attention_rows(queries, keys.topRows(rows.rows()).cast<double>(), form, rows.rows()), contexts)[0];
  double worst = 0;
  for (const double off : {rows.col(0).maxCoeff() - expected.max_logit, rows.col(1).mean() - expected.entropy,
                           rows.col(2).mean() - expected.sink_first}) {
    worst = std::abs(off) <= worst ? worst : std::abs(off);  // a NaN stays
  }
  return worst;
}

/// Puts rows on the device: in float32, or also in bf16 where the heads are not too wide; then it rounds them to bf16.
void fill(DeviceHeads& heads, MatrixF& q, MatrixF& k, const Stream& stream) {
  if (heads.head_dim <= kMostDeviceHeadColumns) {
    heads.narrow_queries = narrow<Bf16>(q, stream, padded(heads.head_dim));
    heads.narrow_keys = narrow<Bf16>(k, stream, padded(heads.head_dim));
  }
  copy(heads.all_queries.data(), q.data(), sizeof(float) * static_cast<std::size_t>(q.size()), stream);
  copy(heads.all_keys.data(), k.data(), sizeof(float) * static_cast<std::size_t>(k.size()), stream);
  stream.wait();
}

/// Largest differences over the heads: in float64, and from float32 logits of bf16 numbers.
std::pair<double, double> statistics_difference(const Case& c, float key_mean = 0) {
  const Worker worker;
  const Index rows = c.length + 3;  // the context is a part of the computed rows
  MatrixF q = random_matrix<float>(c.heads * rows, c.head_dim, 1),
          k = random_matrix<float>(c.kv_heads * rows, c.head_dim, 2).array() + key_mean;
  DeviceHeads heads(c.heads, c.kv_heads, rows, c.head_dim, worker.stream);
  fill(heads, q, k, worker.stream);
  const std::vector<LogitForm> forms(static_cast<std::size_t>(c.heads), c.form);
  const std::vector<HostRows> of_narrow = narrow_softmax_rows(worker, heads, forms, c.length);
  std::pair<double, double> worst;
  for (Index h = 0; h < c.heads; ++h) {
    const Index kv = h / (c.heads / c.kv_heads);
    const auto queries = q.middleRows(h * rows, c.length), keys = k.middleRows(kv * rows, c.length);
    const HostRows exact = softmax_rows(worker, heads, h, kv, c.form, c.length);
    worker.stream.wait();
    worst.first = larger(worst.first, off(exact.matrix(), queries, keys, c.form));
    worst.second = larger(worst.second, off(of_narrow[static_cast<std::size_t>(h)].matrix(), queries, keys, c.form));
  }
  return worst;
}

// Logits have sizes from 1 to 10; they are sums of head_dim terms in float64 or in float32.
TEST(CudaAttention, SoftmaxStatisticsEqualTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] {
    for (const Case& c : kCases) {
      const auto [exact, narrow] = statistics_difference(c);
      EXPECT_TRUE(exact <= 1e-12) << c.length << " x " << c.head_dim << ": " << exact;
      EXPECT_TRUE(narrow <= 1e-5) << c.length << " x " << c.head_dim << " on tensor cores: " << narrow;
    }
  });
}

// A mean of the keys shifts every logit of a row equally, so the entropy depends on the small remainder. With a mean of
// 1e6 the logits have size 1e7; their error is about 1e-8 in float64, and 1 in float32.
TEST(CudaAttention, LargeKeyMeansLeaveTheEntropyRight) {
  REQUIRE_DEVICE();
  EXPECT_TRUE(statistics_difference({2, 1, 300, 32, 32, {.scale = 0.18}}, 1e6F).first <= 1e-6);
}

TEST(CudaAttention, SoftmaxStatisticsOfWideHeadsEqualTheCpu) {
  REQUIRE_DEVICE();
  const Worker worker;
  const Index length = 270, width = 600;  // wider than the attention kernels allow, longer than a strip
  MatrixF q = random_matrix<float>(length, width, 1), k = random_matrix<float>(length, width, 2);
  const LogitForm form{.scale = 0.04};
  DeviceHeads heads(1, 1, length, width, worker.stream);
  fill(heads, q, k, worker.stream);
  const HostRows found = softmax_rows(worker, heads, 0, 0, form, length);
  worker.stream.wait();
  EXPECT_TRUE(off(found.matrix(), q, k, form) <= 1e-12);
}

/// Number of finite statistics that differ from the expected ones by more than rounding. Infinite logits and a row with
/// a NaN have no finite statistics.
Index wrong_numbers(const Matrix& rows, double max_logit) {
  Index out = 0;
  for (Index i = 0; i < rows.rows(); ++i) {
    const double keys = static_cast<double>(i + 1);  // of equal logits
    for (const auto& [found, expected] :
         {std::pair{rows(i, 0), max_logit}, {rows(i, 1), std::log(keys)}, {rows(i, 2), 1 / keys}}) {
      if (std::isfinite(found) && !(std::abs(found - expected) <= 1e-5 * (1 + std::abs(expected)))) ++out;
    }
  }
  return out;
}

// Products of such queries and keys are infinite in float32, while the float64 logits are +-1.6e51 or 0. Where their
// sum is 0, the tensor cores may add them exactly, or form NaNs. Either way the statistics must not be wrong numbers,
// such as those of an empty row.
TEST(CudaAttention, LogitsThatOverflowAreNotWrongNumbers) {
  REQUIRE_DEVICE();
  const Worker worker;
  const Index length = 70, d = 16;
  const auto statistics = [&](float first_half, float second_half) {
    MatrixF q = MatrixF::Constant(length, d, 1e25F), k(length, d);
    k.leftCols(d / 2).setConstant(first_half);
    k.rightCols(d / 2).setConstant(second_half);
    DeviceHeads heads(1, 1, length, d, worker.stream);
    fill(heads, q, k, worker.stream);
    const HostRows rows = narrow_softmax_rows(worker, heads, std::vector<LogitForm>{{.scale = 1}}, length)[0];
    worker.stream.wait();
    return std::pair{Matrix(rows.matrix()), q.row(0).cast<double>().dot(k.row(0).cast<double>())};
  };
  for (const auto& [a, b] : {std::pair{1e25F, 1e25F}, {-1e25F, -1e25F}, {1e25F, -1e25F}}) {
    const auto [rows, logit] = statistics(a, b);
    EXPECT_EQ(wrong_numbers(rows, logit), 0) << a << ", " << b;
    if (logit == 0) continue;
    EXPECT_FALSE(rows.leftCols(2).array().isFinite().any()) << a << ", " << b;
  }
  const auto [rows, logit] = statistics(1, 1);
  EXPECT_TRUE(rows.array().isFinite().all());
  EXPECT_EQ(wrong_numbers(rows, logit), 0);
}

TEST(CudaAttention, SurvivesHugeLogits) {
  REQUIRE_DEVICE();
  const Case c{1, 1, 150, 16, 16, {.scale = 1e4}};
  EXPECT_TRUE(difference<float>(c) <= 1e-3);
  EXPECT_TRUE(difference<Bf16>(c) <= 0.0045);
  EXPECT_TRUE(statistics_difference(c).second <= 0.05);  // logits of size 1e5, to 1e-7 of that
}

}  // namespace
}  // namespace logitfield::kernels::cuda
