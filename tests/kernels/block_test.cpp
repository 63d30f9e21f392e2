#include "kernels/cpu/block.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/loss.hpp"
#include "kernels/cpu/rotary.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

/// Softmax attention from the definition, in float64.
Matrix naive_attention(const MatrixF& q, const MatrixF& k, const MatrixF& v, double scale, Index window) {
  Matrix out = Matrix::Zero(q.rows(), q.cols());
  for (Index i = 0; i < q.rows(); ++i) {
    double total = 0;
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
      causal_attention(q, k, v, 0.5F, window, out);
      const Matrix expected = naive_attention(q, k, v, 0.5, window);
      EXPECT_LE((out.cast<double>() - expected).cwiseAbs().maxCoeff(), 2e-5)
          << "L = " << length << ", window " << window;
    }
  }
}

TEST(CausalAttention, SurvivesHugeLogits) {
  const MatrixF q = 100 * random_matrix<float>(64, 4, 4), k = 100 * random_matrix<float>(64, 4, 5);
  const MatrixF v = random_matrix<float>(64, 4, 6);
  MatrixF out(64, 4);
  causal_attention(q, k, v, 1, std::nullopt, out);
  EXPECT_TRUE(out.allFinite());
  EXPECT_EQ(out.row(0), v.row(0));
}

TEST(Rotary, KeepsNormsAndDependsOnDistanceOnly) {
  const RotaryTable table = rotary_table(40, 16, 10000);
  const MatrixF q = random_matrix<float>(1, 16, 7).replicate(40, 1),
                k = random_matrix<float>(1, 16, 8).replicate(40, 1);
  MatrixF rotated_q = q, rotated_k = k;
  rotate(table, rotated_q);
  rotate(table, rotated_k);
  EXPECT_LE((rotated_q.rowwise().norm() - q.rowwise().norm()).cwiseAbs().maxCoeff(), 1e-5F);
  EXPECT_NEAR(rotated_q.row(25).dot(rotated_k.row(20)), rotated_q.row(9).dot(rotated_k.row(4)), 1e-4);
  EXPECT_GT(std::abs(rotated_q.row(25).dot(rotated_k.row(20)) - rotated_q.row(25).dot(rotated_k.row(4))), 1e-2);
}

TEST(Rotary, PairsElementKWithKPlusHalf) {
  const RotaryTable table = rotary_table(2, 4, 100);
  MatrixF head = MatrixF::Zero(2, 4);
  head(1, 0) = 1;
  head(1, 3) = 1;
  rotate(table, head);
  const float expected[] = {std::cos(1.F), -std::sin(0.1F), std::sin(1.F), std::cos(0.1F)};
  for (Index j = 0; j < 4; ++j) EXPECT_NEAR(head(1, j), expected[j], 1e-6);
}

TEST(RmsNorm, UnitMeanSquareTimesGain) {
  const MatrixF x = 50 * random_matrix<float>(5, 64, 9);
  const VectorF gain = VectorF::LinSpaced(64, 0.5F, 2);
  const MatrixF y = rms_norm(x, gain, 0);
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR((y.row(i).transpose().cwiseQuotient(gain)).squaredNorm() / 64, 1, 1e-5);
  }
}

BlockShape small_shape() {
  BlockShape shape;
  shape.hidden_size = 24;
  shape.num_heads = 6;
  shape.num_kv_heads = 3;
  shape.head_dim = 4;
  shape.intermediate_size = 20;
  shape.norm_epsilon = 1e-5;
  shape.rope_theta = 10000;
  return shape;
}

LayerWeights random_weights(const BlockShape& s) {
  LayerWeights w;
  w.attention_norm = random_matrix<float>(s.hidden_size, 1, 10);
  w.mlp_norm = random_matrix<float>(s.hidden_size, 1, 11);
  w.qkv = random_matrix<float>((s.num_heads + 2 * s.num_kv_heads) * s.head_dim, s.hidden_size, 12);
  w.qkv_bias = random_matrix<float>(w.qkv.rows(), 1, 13);
  w.output = random_matrix<float>(s.hidden_size, s.num_heads * s.head_dim, 14);
  w.gate_up = random_matrix<float>(2 * s.intermediate_size, s.hidden_size, 15);
  w.down = random_matrix<float>(s.hidden_size, s.intermediate_size, 16);
  return w;
}

/// The part of a block that holds the KV heads [first, last) with their query heads, and as many MLP rows.
std::pair<BlockShape, LayerWeights> shard(const BlockShape& s, const LayerWeights& w, Index first, Index last,
                                          Index mlp_first, Index mlp_last) {
  const Index d = s.head_dim, group = s.num_heads / s.num_kv_heads, kv = last - first;
  BlockShape part = s;
  part.num_kv_heads = kv;
  part.num_heads = kv * group;
  part.intermediate_size = mlp_last - mlp_first;
  LayerWeights out = w;
  out.qkv.resize((part.num_heads + 2 * kv) * d, s.hidden_size);
  out.qkv_bias.resize(out.qkv.rows());
  const Index sources[] = {first * group * d, (s.num_heads + first) * d, (s.num_heads + s.num_kv_heads + first) * d};
  const Index sizes[] = {part.num_heads * d, kv * d, kv * d};
  for (Index i = 0, row = 0; i < 3; row += sizes[i++]) {
    out.qkv.middleRows(row, sizes[i]) = w.qkv.middleRows(sources[i], sizes[i]);
    out.qkv_bias.segment(row, sizes[i]) = w.qkv_bias.segment(sources[i], sizes[i]);
  }
  out.output = w.output.middleCols(first * group * d, part.num_heads * d);
  out.gate_up.resize(2 * part.intermediate_size, s.hidden_size);
  out.gate_up << w.gate_up.middleRows(mlp_first, part.intermediate_size),
      w.gate_up.middleRows(s.intermediate_size + mlp_first, part.intermediate_size);
  out.down = w.down.middleCols(mlp_first, part.intermediate_size);
  return {part, out};
}

TEST(Block, ShardsSumToTheWhole) {
  const BlockShape shape = small_shape();
  const LayerWeights weights = random_weights(shape);
  const MatrixF hidden = random_matrix<float>(50, shape.hidden_size, 17);
  MatrixF attention, mlp;
  QueriesKeys whole;
  attention_half(shape, weights, hidden, attention, whole);
  mlp_half(shape, weights, hidden, mlp);

  MatrixF attention_sum = MatrixF::Zero(50, shape.hidden_size), mlp_sum = attention_sum;
  const auto parts = {shard(shape, weights, 0, 2, 0, 13), shard(shape, weights, 2, 3, 13, 20)};
  Index query_row = 0;
  for (const auto& [part_shape, part_weights] : parts) {
    MatrixF partial;
    QueriesKeys qk;
    attention_half(part_shape, part_weights, hidden, partial, qk);
    attention_sum += partial;
    EXPECT_LE((qk.queries - whole.queries.middleRows(query_row, qk.queries.rows())).cwiseAbs().maxCoeff(), 1e-4F);
    query_row += qk.queries.rows();
    mlp_half(part_shape, part_weights, hidden, partial);
    mlp_sum += partial;
  }
  EXPECT_LE((attention_sum - attention).norm(), 1e-5F * attention.norm());
  EXPECT_LE((mlp_sum - mlp).norm(), 1e-5F * mlp.norm());
}

TEST(Block, APrefixOfTheTextGivesAPrefixOfTheStates) {
  const BlockShape shape = small_shape();
  const LayerWeights weights = random_weights(shape);
  const MatrixF hidden = random_matrix<float>(300, shape.hidden_size, 18);
  MatrixF whole, prefix;
  QueriesKeys ignored;
  attention_half(shape, weights, hidden, whole, ignored);
  attention_half(shape, weights, hidden.topRows(130), prefix, ignored);
  EXPECT_LE((whole.topRows(130) - prefix).norm(), 1e-5F * prefix.norm());
}

TEST(Loss, EqualsTheDefinitionOverAnySplitOfTheVocabulary) {
  const MatrixF hidden = random_matrix<float>(9, 12, 19), output = random_matrix<float>(31, 12, 20);
  const std::vector<std::int32_t> targets{0, 30, 4, 17, 16, 8, 9, 29};
  LossPart loss(8);
  for (const Index first : {0, 10, 17}) {
    const Index last = first == 0 ? 10 : first == 10 ? 17 : 31;
    add_loss(hidden, output.middleRows(first, last - first), first, targets, loss);
  }
  const Matrix logits = (hidden * output.transpose()).cast<double>();
  for (Index i = 0; i < 8; ++i) {
    const double expected = std::log(logits.row(i).array().exp().sum()) - logits(i, targets[i]);
    EXPECT_NEAR(loss.max[i] + std::log(loss.sum[i]) - loss.target[i], expected, 1e-5);
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu
