#include "kernels/cpu/block.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/backend.hpp"
#include "kernels/cpu/experts.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/loss.hpp"
#include "kernels/cpu/norm.hpp"
#include "kernels/cpu/product.hpp"
#include "kernels/cpu/rotary.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

/// Softmax attention by its definition, in float64.
Matrix naive_attention(const MatrixF& q, const MatrixF& k, const MatrixF& v, double scale, Index window) {
  Matrix out = Matrix::Zero(q.rows(), v.cols());
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
        LogitForm{.scale = 2, .visible = {.chunk = 190}}}) {
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
    EXPECT_LE(std::abs(rows.entropy[0]), 1e-25);  // masked keys have weight exp(-80)
    EXPECT_EQ(rows.sink[0], 1);
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
    for (const Index window : {5, 260, 1000}) {
      const MatrixB q = rounded(random_matrix<float>(length, 8, 1)), k = rounded(random_matrix<float>(length, 8, 2));
      const MatrixB v = rounded(random_matrix<float>(length, 8, 3));
      MatrixF out(length, 8);
      causal_attention(q, k, v, {.scale = 0.5, .visible = {.window = window}}, out);
      const MatrixF values = v.cast<float>();
      const Matrix expected = naive_attention(q.cast<float>(), k.cast<float>(), values, 0.5, window);
      // Rounding changes a weight by at most 2^-8 of it, and the mean of values by at most 2^-8 of their mean size.
      const Matrix sizes = naive_attention(q.cast<float>(), k.cast<float>(), values.cwiseAbs(), 0.5, window);
      const Matrix bound = sizes.array() / 256 + 2e-5;
      EXPECT_TRUE(((out.cast<double>() - expected).array().abs() <= bound.array()).all())
          << "L = " << length << ", window " << window;
    }
  }
}

void expect_rotation(const RotaryTable& table) {
  const MatrixF q = random_matrix<float>(1, 16, 7).replicate(40, 1),
                k = random_matrix<float>(1, 16, 8).replicate(40, 1);
  MatrixF rotated_q = q, rotated_k = k;
  rotate(table, rotated_q);
  rotate(table, rotated_k);
  EXPECT_LE((rotated_q.rowwise().norm() - q.rowwise().norm()).cwiseAbs().maxCoeff(), 1e-5F);
  EXPECT_NEAR(rotated_q.row(25).dot(rotated_k.row(20)), rotated_q.row(9).dot(rotated_k.row(4)), 1e-4);
  EXPECT_GT(std::abs(rotated_q.row(25).dot(rotated_k.row(20)) - rotated_q.row(25).dot(rotated_k.row(4))), 1e-2);
  EXPECT_EQ(rotated_q.leftCols(4), q.leftCols(4));
  EXPECT_EQ(rotated_q.rightCols(4), q.rightCols(4));
}

TEST(Rotary, KeepsNormsDependsOnDistanceOnlyAndLeavesOtherColumns) {
  for (const io::RotaryPairs pairs :
       {io::RotaryPairs::halves, io::RotaryPairs::neighbours, io::RotaryPairs::neighbours_to_halves}) {
    expect_rotation(rotary_table({.first_column = 4, .frequencies = {1, 0.3, 0.09, 0.02}, .pairs = pairs}, 40));
  }
}

TEST(Rotary, PairsElementKWithKPlusHalf) {
  const RotaryTable table = rotary_table({.frequencies = {1, 0.1}}, 2);
  MatrixF head = MatrixF::Zero(2, 4);
  head(1, 0) = 1;
  head(1, 3) = 1;
  rotate(table, head);
  const float expected[] = {std::cos(1.F), -std::sin(0.1F), std::sin(1.F), std::cos(0.1F)};
  for (Index j = 0; j < 4; ++j) EXPECT_NEAR(head(1, j), expected[j], 1e-6);
}

Norm norm_of(bool centred, const VectorF& gain, const VectorF& bias = {}) {
  return {.present = true, .centred = centred, .epsilon = 1e-6, .gain = gain, .bias = bias};
}

TEST(Norm, UnitMeanSquareTimesGain) {
  const MatrixF x = 50 * random_matrix<float>(5, 64, 9);
  const VectorF gain = VectorF::LinSpaced(64, 0.5F, 2);
  const MatrixF y = normalised(x, norm_of(false, gain));
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR((y.row(i).transpose().cwiseQuotient(gain)).squaredNorm() / 64, 1, 1e-5);
  }
  EXPECT_EQ(normalised(x, {}), x);
}

TEST(Norm, LayerNormCentresAndAddsItsBias) {
  const MatrixF x = (50 * random_matrix<float>(5, 64, 9)).array() + 200;
  const VectorF bias = VectorF::LinSpaced(64, -1, 3);
  const MatrixF y = normalised(x, norm_of(true, {}, bias)).rowwise() - bias.transpose();
  for (Index i = 0; i < 5; ++i) {
    EXPECT_NEAR(y.row(i).sum() / 64, 0, 1e-5);
    EXPECT_NEAR(y.row(i).squaredNorm() / 64, 1, 1e-5);
  }
}

TEST(Norm, OfHeadsByThemselvesOrOverAll) {
  const Index length = 7, heads = 3, d = 4;
  const MatrixF before = random_matrix<float>(heads * length, d, 31);
  const VectorF gain = VectorF::LinSpaced(heads * d, 0.5F, 2);
  MatrixF shared = before, own = before, over_all = before;
  normalise_heads(norm_of(false, gain.head(d)), length, 0, alone(), shared);
  normalise_heads(norm_of(false, gain), length, 0, alone(), own);
  normalise_heads(norm_of(false, gain), length, heads * d, alone(), over_all);
  for (Index i = 0; i < length; ++i) {
    double total = 0;
    for (Index h = 0; h < heads; ++h) total += before.row(h * length + i).squaredNorm();
    for (Index h = 0; h < heads; ++h) {
      const Index row = h * length + i;
      const Eigen::RowVectorXf x = before.row(row), mine = gain.segment(h * d, d).transpose();
      const float alone_factor = std::sqrt(static_cast<float>(d)) / x.norm();
      const float joint_factor = std::sqrt(static_cast<float>(heads * d / total));
      EXPECT_LE((shared.row(row) - alone_factor * x.cwiseProduct(gain.head(d).transpose())).norm(), 1e-4F);
      EXPECT_LE((own.row(row) - alone_factor * x.cwiseProduct(mine)).norm(), 1e-4F);
      EXPECT_LE((over_all.row(row) - joint_factor * x.cwiseProduct(mine)).norm(), 1e-4F);
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

VectorF logits_of(std::initializer_list<float> values) {
  return Eigen::Map<const VectorF>(values.begin(), static_cast<Index>(values.size()));
}

TEST(Experts, TheBestAreChosenAndWeighed) {
  const VectorF logits = logits_of({0, 2, 1, 2});
  const double sum = 1 + 2 * std::exp(2.0) + std::exp(1.0);
  const auto plain = choose_experts({.num_experts = 4, .top_k = 2, .scale = 3}, logits, {});
  ASSERT_EQ(plain.size(), 2U);
  EXPECT_EQ(plain[0].expert, 1);  // the first of two equal ones
  EXPECT_EQ(plain[1].expert, 3);
  EXPECT_NEAR(plain[0].weight, 3 * std::exp(2.0) / sum, 1e-6);
  const auto normalised = choose_experts({.num_experts = 4, .top_k = 2, .normalise = true}, logits, {});
  EXPECT_NEAR(normalised[0].weight + normalised[1].weight, 1, 1e-6);
  EXPECT_THROW(choose_experts({.num_experts = 4, .top_k = 2}, logits_of({0, NAN, 1, 2}), {}), std::runtime_error);
}

TEST(Experts, BiasDecidesTheChoiceButNotTheWeight) {
  const auto chosen = choose_experts({.num_experts = 3, .top_k = 1, .sigmoid = true, .has_bias = true},
                                     logits_of({2, 0, 1}), logits_of({0, 5, 0}));
  EXPECT_EQ(chosen[0].expert, 1);
  EXPECT_NEAR(chosen[0].weight, 0.5, 1e-6);
}

TEST(Experts, OnlyTheBestGroupsAreUsed) {
  io::Routing routing{.num_experts = 6, .top_k = 2, .groups = 3, .top_groups = 1, .group_scores = 1};
  const VectorF logits = logits_of({3, 0, 4, 1, 3.5F, 3.4F});
  EXPECT_EQ(choose_experts(routing, logits, {})[1].expert, 3);
  routing.group_scores = 2;  // the third group has the largest sum
  EXPECT_EQ(choose_experts(routing, logits, {})[0].expert, 4);
}

TEST(FeedForward, Activations) {
  BlockShape shape;
  shape.hidden_size = 1;
  shape.gated = false;
  const MlpWeights identity{{MatrixF(MatrixF::Identity(1, 1)), {}}, {MatrixF(MatrixF::Identity(1, 1)), {}}};
  const auto at = [&](io::Activation activation, float x) {
    shape.activation = activation;
    return feed_forward(shape, identity, MatrixF::Constant(1, 1, x))(0, 0);
  };
  for (const float x : {-3.F, -0.5F, 0.F, 1.F, 20.F}) {
    EXPECT_NEAR(at(io::Activation::silu, x), x / (1 + std::exp(-x)), 1e-5);
    EXPECT_NEAR(at(io::Activation::gelu, x), 0.5 * x * std::erfc(-x / std::sqrt(2.0)), 1e-5);
    EXPECT_NEAR(at(io::Activation::gelu_tanh, x), at(io::Activation::gelu, x), 1e-3);
    EXPECT_EQ(at(io::Activation::relu, x), std::max(x, 0.F));
  }
  EXPECT_GT(std::abs(at(io::Activation::gelu_tanh, 2) - at(io::Activation::gelu, 2)), 1e-5);
}

BlockShape small_shape() {
  BlockShape shape;
  shape.hidden_size = 24;
  shape.num_heads = 6;
  shape.num_kv_heads = 3;
  shape.head_dim = shape.value_dim = 4;
  shape.forms.assign(6, {.scale = 0.5});
  shape.rotary = io::Rotary{.frequencies = {1, 0.01}};
  return shape;
}

constexpr Index kInner = 20;

LayerWeights random_weights(const BlockShape& s) {
  LayerWeights w;
  w.attention_norm = norm_of(false, random_matrix<float>(s.hidden_size, 1, 10));
  w.mlp_norm = norm_of(true, random_matrix<float>(s.hidden_size, 1, 11));
  w.qkv.weight = random_matrix<float>((s.num_heads + 2 * s.num_kv_heads) * s.head_dim, s.hidden_size, 12);
  w.qkv.bias = random_matrix<float>(w.qkv.weight.rows(), 1, 13);
  w.output.weight = random_matrix<float>(s.hidden_size, s.num_heads * s.head_dim, 14);
  w.mlp.up.weight = random_matrix<float>(2 * kInner, s.hidden_size, 15);
  w.mlp.down.weight = random_matrix<float>(s.hidden_size, kInner, 16);
  return w;
}

/// The part of a block with the KV heads [first, last), their query heads, and as many MLP rows.
std::pair<BlockShape, LayerWeights> shard(const BlockShape& s, const LayerWeights& w, Index first, Index last,
                                          Index mlp_first, Index mlp_last) {
  const Index d = s.head_dim, group = s.num_heads / s.num_kv_heads, kv = last - first, inner = mlp_last - mlp_first;
  BlockShape part = s;
  part.num_kv_heads = kv;
  part.num_heads = kv * group;
  LayerWeights out = w;
  MatrixF& qkv = out.qkv.weight.reset<float>((part.num_heads + 2 * kv) * d, s.hidden_size);
  out.qkv.bias.resize(qkv.rows());
  const Index sources[] = {first * group * d, (s.num_heads + first) * d, (s.num_heads + s.num_kv_heads + first) * d};
  const Index sizes[] = {part.num_heads * d, kv * d, kv * d};
  for (Index i = 0, row = 0; i < 3; row += sizes[i++]) {
    qkv.middleRows(row, sizes[i]) = w.qkv.weight.floats(sources[i], sizes[i]);
    out.qkv.bias.segment(row, sizes[i]) = w.qkv.bias.segment(sources[i], sizes[i]);
  }
  const auto columns = [&](const WeightMatrix& from, Index begin, Index count) {
    return MatrixF(from.floats(0, from.rows()).middleCols(begin, count));
  };
  out.output.weight = columns(w.output.weight, first * group * d, part.num_heads * d);
  out.mlp.up.weight.reset<float>(2 * inner, s.hidden_size) << w.mlp.up.weight.floats(mlp_first, inner),
      w.mlp.up.weight.floats(kInner + mlp_first, inner);
  out.mlp.down.weight = columns(w.mlp.down.weight, mlp_first, inner);
  return {part, out};
}

TEST(Block, ShardsSumToTheWhole) {
  const BlockShape shape = small_shape();
  const LayerWeights weights = random_weights(shape);
  const MatrixF hidden = random_matrix<float>(50, shape.hidden_size, 17);
  MatrixF attention, mlp;
  QueriesKeys whole;
  attention_half(shape, weights, alone(), hidden, Precision::float32, attention, whole);
  mlp_half(shape, weights, hidden, mlp);

  MatrixF attention_sum = MatrixF::Zero(50, shape.hidden_size), mlp_sum = attention_sum;
  const auto parts = {shard(shape, weights, 0, 2, 0, 13), shard(shape, weights, 2, 3, 13, 20)};
  Index query_row = 0;
  for (const auto& [part_shape, part_weights] : parts) {
    MatrixF partial;
    QueriesKeys qk;
    attention_half(part_shape, part_weights, alone(), hidden, Precision::float32, partial, qk);
    attention_sum += partial;
    EXPECT_LE((qk.queries - whole.queries.middleRows(query_row, qk.queries.rows())).cwiseAbs().maxCoeff(), 1e-4F);
    query_row += qk.queries.rows();
    mlp_half(part_shape, part_weights, hidden, partial);
    mlp_sum += partial;
  }
  EXPECT_LE((attention_sum - attention).norm(), 1e-5F * attention.norm());
  EXPECT_LE((mlp_sum - mlp).norm(), 1e-5F * mlp.norm());
}

LayerWeights rounded_maps(LayerWeights w) {
  for (Linear* map : {&w.qkv, &w.output, &w.mlp.up, &w.mlp.down}) {
    map->weight = WeightMatrix(map->weight.floats(0, map->weight.rows()), Precision::bf16);
  }
  return w;
}

TEST(Block, InBfloat16IsNearAndItsQueriesAndKeysAreBfloat16Numbers) {
  if (!can_multiply(Precision::bf16)) GTEST_SKIP() << "no bfloat16 products here";
  const BlockShape shape = small_shape();
  const LayerWeights weights = random_weights(shape);
  const MatrixF hidden = random_matrix<float>(300, shape.hidden_size, 17);
  MatrixF exact, near;
  QueriesKeys ignored, heads;
  attention_half(shape, weights, alone(), hidden, Precision::float32, exact, ignored);
  attention_half(shape, rounded_maps(weights), alone(), hidden, Precision::bf16, near, heads);
  // Rounding by up to 2^-8 accumulates through five products; logits amplify it by their size.
  EXPECT_LE((near - exact).norm(), 0.1F * exact.norm());
  EXPECT_GT((near - exact).norm(), 1e-4F * exact.norm());
  for (const MatrixF* some : {&heads.queries, &heads.keys}) {
    EXPECT_EQ(some->cast<Eigen::bfloat16>().cast<float>(), *some);
  }
  mlp_half(shape, weights, hidden, exact);
  mlp_half(shape, rounded_maps(weights), hidden, near);
  EXPECT_LE((near - exact).norm(), 0.02F * exact.norm());
}

TEST(Block, WeightsInOtherNumbersAreRefused) {
  const auto weights = std::make_shared<const LayerWeights>(rounded_maps(random_weights(small_shape())));
  EXPECT_THROW(make_backend(Precision::float32, "")->load(weights), std::invalid_argument);
  EXPECT_THROW(make_backend(Precision::float32, "")->load(weights->output), std::invalid_argument);
}

TEST(Block, APrefixOfTheTextGivesAPrefixOfTheStates) {
  const BlockShape shape = small_shape();
  const LayerWeights weights = random_weights(shape);
  const MatrixF hidden = random_matrix<float>(300, shape.hidden_size, 18);
  MatrixF whole, prefix;
  QueriesKeys ignored;
  attention_half(shape, weights, alone(), hidden, Precision::float32, whole, ignored);
  attention_half(shape, weights, alone(), hidden.topRows(130), Precision::float32, prefix, ignored);
  EXPECT_LE((whole.topRows(130) - prefix).norm(), 1e-5F * prefix.norm());
}

TEST(Loss, EqualsTheDefinitionOverAnySplitOfTheVocabulary) {
  const MatrixF hidden = random_matrix<float>(9, 12, 19), output = random_matrix<float>(31, 12, 20);
  const std::vector<std::int32_t> targets{0, 30, 4, 17, 16, 8, 9, 29};
  LossPart loss(8);
  for (const Index first : {0, 10, 17}) {
    const Index last = first == 0 ? 10 : first == 10 ? 17 : 31;
    add_loss(hidden * output.middleRows(first, last - first).transpose(), first, targets, loss);
  }
  const Matrix logits = (hidden * output.transpose()).cast<double>();
  for (Index i = 0; i < 8; ++i) {
    const double expected = std::log(logits.row(i).array().exp().sum()) - logits(i, targets[i]);
    EXPECT_NEAR(loss.max[i] + std::log(loss.sum[i]) - loss.target[i], expected, 1e-5);
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu
