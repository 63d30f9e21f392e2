#include "kernels/cpu/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/backend.hpp"
#include "kernels/cpu/product.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

/// Softmax attention by its definition, in float64.
Matrix naive_attention(const MatrixF& q, const MatrixF& k, const MatrixF& v, double scale, Index window,
                       double sink = -std::numeric_limits<double>::infinity()) {
  Matrix out = Matrix::Zero(q.rows(), v.cols());
  for (Index i = 0; i < q.rows(); ++i) {
    double total = std::exp(sink);
    for (Index j = std::max<Index>(0, i - window + 1); j <= i; ++j) {
      const double weight = std::exp(scale * q.row(i).cast<double>().dot(k.row(j).cast<double>()));
      total += weight;
      out.row(i) += weight * v.row(j).cast<double>();
    }
    out.row(i) /= total;
  }
  return out;
}

TEST(CausalAttention, EqualsTheDefinition) {
  for (const Index length : {1, 2, 127, 128, 129, 300, 513}) {
    for (const Index window : {1, 5, 128, 260, 1000}) {
      const MatrixF q = random_matrix<float>(length, 8, 1), k = random_matrix<float>(length, 8, 2);
      const MatrixF v = random_matrix<float>(length, 8, 3);
      MatrixF out(length, 8);
      causal_attention(q, k, v, {.scale = 0.5, .visible = {.window = window}}, out);
      const Matrix expected = naive_attention(q, k, v, 0.5, window);
      EXPECT_LE((out.cast<double>() - expected).cwiseAbs().maxCoeff(), 2e-5)
          << "L = " << length << ", window " << window;
    }
  }
}

/// float32 logits of a head with 16 columns have errors of about 1e-6 of their size; so do the weights.
TEST(CausalAttention, DescribesItsRowsAsTheirSoftmaxInFloat64) {
  const Index length = 700;
  const MatrixF q = random_matrix<float>(length, 16, 1), k = random_matrix<float>(length, 16, 2),
                v = random_matrix<float>(length, 16, 3);
  for (const LogitForm& form :
       {LogitForm{.scale = 0.25}, LogitForm{.scale = 20}, LogitForm{.scale = 2, .alibi_slope = 0.5},
        LogitForm{.scale = 2, .softcap = 4}, LogitForm{.scale = 2, .visible = {.window = 1}},
        LogitForm{.scale = 2, .visible = {.window = 100}}, LogitForm{.scale = 2, .visible = {.window = 300}},
        LogitForm{.scale = 2, .visible = {.chunk = 190}}, LogitForm{.scale = 0.25, .sink = 1.5},
        LogitForm{.scale = 2, .sink = -300}, LogitForm{.scale = 2, .visible = {.window = 100}, .sink = 4}}) {
    MatrixF out(length, 16);
    RowAttention rows;
    causal_attention(q, k, v, form, out, &rows);
    const std::vector<std::int64_t> contexts{1, 2, 130, 256, 257, 699, 700};
    const auto found = attention_statistics(attention_rows(rows, q.rows()), contexts);
    const auto expected = attention_statistics(attention_rows(q, k.cast<double>(), form, q.rows()), contexts);
    ASSERT_EQ(found.size(), contexts.size());
    for (std::size_t c = 0; c < contexts.size(); ++c) {
      const double largest = std::abs(expected[c].max_logit) + 1, tolerance = 4e-6 * largest;
      EXPECT_TRUE(std::abs(found[c].max_logit - expected[c].max_logit) <= tolerance);
      EXPECT_TRUE(std::abs(found[c].entropy - expected[c].entropy) <= tolerance * (1 + expected[c].entropy));
      EXPECT_TRUE(std::abs(found[c].sink_first - expected[c].sink_first) <= tolerance);
    }
    if (std::isfinite(form.sink)) continue;
    EXPECT_LE(std::abs(rows.entropy[0]), 1e-25);  // masked keys have weight exp(-80)
    EXPECT_EQ(rows.sink[0], 1);
  }
}

// A sink is a key more whose value is zero and that every query sees: here key 0, with logits of its own.
TEST(CausalAttention, ASinkIsAKeyWithoutAValue) {
  const Index length = 300, window = 90;
  const MatrixF q = random_matrix<float>(length, 8, 1), k = random_matrix<float>(length, 8, 2);
  const MatrixF v = random_matrix<float>(length, 5, 3);
  for (const double sink : {-std::numeric_limits<double>::infinity(), -500.0, -1.0, 0.5, 8.0, 500.0}) {
    MatrixF out(length, 5);
    RowAttention rows;
    causal_attention(q, k, v, {.scale = 0.5, .visible = {.window = window}, .sink = sink}, out, &rows);
    for (const Index i : {0, 1, 89, 90, 130, 299}) {
      const Index first = std::max<Index>(0, i - window + 1);
      const Vector logits =
          0.5 * k.middleRows(first, i + 1 - first).cast<double>() * q.row(i).cast<double>().transpose();
      const double top = std::max(logits.maxCoeff(), sink), of_sink = std::exp(sink - top);
      const Vector weights = (logits.array() - top).exp() / ((logits.array() - top).exp().sum() + of_sink);
      const Eigen::RowVectorXd expected = weights.transpose() * v.middleRows(first, i + 1 - first).cast<double>();
      EXPECT_TRUE((out.row(i).cast<double>() - expected).cwiseAbs().maxCoeff() <= 2e-5) << "sink " << sink;
      const double left = 1 - weights.sum();  // the sink's weight
      const auto term = [](double w) { return w > 1e-12 ? -w * std::log(w) : 0; };
      double entropy = term(left);
      for (const double w : weights) entropy += term(w);
      EXPECT_TRUE(std::abs(static_cast<double>(rows.entropy[i]) - entropy) <= 2e-5) << "sink " << sink;
      EXPECT_TRUE(std::abs(static_cast<double>(rows.max_logit[i]) - logits.maxCoeff()) <= 1e-5) << "sink " << sink;
      EXPECT_TRUE(std::abs(static_cast<double>(rows.sink[i]) - (first == 0 ? weights[0] : 0)) <= 1e-5)
          << "sink " << sink;
    }
  }
}

TEST(CausalAttention, ChunksEqualSeparateContexts) {
  const Index length = 610, chunk = 270;
  const MatrixF q = random_matrix<float>(length, 12, 1), k = random_matrix<float>(length, 12, 2),
                v = random_matrix<float>(length, 9, 3);
  MatrixF out(length, 9);
  causal_attention(q, k, v, {.scale = 0.5, .visible = {.chunk = chunk}}, out);
  for (Index begin = 0; begin < length; begin += chunk) {
    const Index count = std::min(chunk, length - begin);
    const Matrix expected =
        naive_attention(q.middleRows(begin, count), k.middleRows(begin, count), v.middleRows(begin, count), 0.5, count);
    EXPECT_TRUE((out.middleRows(begin, count).cast<double>() - expected).cwiseAbs().maxCoeff() <= 1e-5);
  }
}

TEST(CausalAttention, SurvivesHugeLogits) {
  const MatrixF q = 100 * random_matrix<float>(64, 4, 4), k = 100 * random_matrix<float>(64, 4, 5);
  const MatrixF v = random_matrix<float>(64, 4, 6);
  MatrixF out(64, 4);
  causal_attention(q, k, v, {.scale = 1}, out);
  EXPECT_TRUE(out.allFinite());
  EXPECT_EQ(out.row(0), v.row(0));
}

TEST(CausalAttention, OfBfloat16NumbersLiesWithinTheRoundingOfItsWeights) {
  if (!can_multiply(Precision::bf16)) GTEST_SKIP() << "no bfloat16 products here";
  const auto rounded = [](const MatrixF& m) { return MatrixB(m.cast<Eigen::bfloat16>()); };
  for (const Index length : {1, 128, 129, 513}) {
    for (const auto& [window, sink] : {std::pair{5, -std::numeric_limits<double>::infinity()},
                                       {260, 1.5},
                                       {1000, -std::numeric_limits<double>::infinity()},
                                       {1000, 4.0}}) {
      const MatrixB q = rounded(random_matrix<float>(length, 8, 1)), k = rounded(random_matrix<float>(length, 8, 2));
      const MatrixB v = rounded(random_matrix<float>(length, 8, 3));
      MatrixF out(length, 8);
      causal_attention(q, k, v, {.scale = 0.5, .visible = {.window = window}, .sink = sink}, out);
      const MatrixF values = v.cast<float>();
      const Matrix expected = naive_attention(q.cast<float>(), k.cast<float>(), values, 0.5, window, sink);
      // Rounding changes a weight by at most 2^-8 of it, and the mean of values by at most 2^-8 of their mean size.
      const Matrix sizes = naive_attention(q.cast<float>(), k.cast<float>(), values.cwiseAbs(), 0.5, window, sink);
      const Matrix bound = sizes.array() / 256 + 2e-5;
      EXPECT_TRUE(((out.cast<double>() - expected).array().abs() <= bound.array()).all())
          << "L = " << length << ", window " << window << ", sink " << sink;
    }
  }
}

TEST(CausalAttention, SlopesAndSoftCapEqualTheDefinition) {
  const Index length = 300;
  const MatrixF q = random_matrix<float>(length, 8, 1), k = random_matrix<float>(length, 8, 2);
  const MatrixF v = random_matrix<float>(length, 5, 3);
  for (const LogitForm& form : {LogitForm{.scale = 0.5, .alibi_slope = 0.25}, LogitForm{.scale = 3, .softcap = 2.0}}) {
    MatrixF out(length, 5);
    causal_attention(q, k, v, form, out);
    for (const Index i : {0, 1, 130, 299}) {
      Eigen::RowVectorXd expected = Eigen::RowVectorXd::Zero(5);
      double total = 0;
      for (Index j = 0; j <= i; ++j) {
        const double x = form.scale * q.row(i).cast<double>().dot(k.row(j).cast<double>());
        const double weight = std::exp(form.cap(x + form.alibi_slope * static_cast<double>(j - i)));
        expected += weight * v.row(j).cast<double>();
        total += weight;
      }
      EXPECT_LE((out.row(i).cast<double>() - expected / total).cwiseAbs().maxCoeff(), 2e-5);
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu
