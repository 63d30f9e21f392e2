#include "kernels/cpu/block.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/backend.hpp"
#include "kernels/cpu/experts.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/loss.hpp"
#include "kernels/cpu/product.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

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

TEST(Experts, TheSharedExpertIsWeighedByASigmoid) {
  MatrixF rows(2, 2), said = MatrixF::Ones(2, 3);
  rows << 1, 2, 0, 0;
  weigh_shared_expert((MatrixF(1, 2) << 3, -1).finished(), rows, said);
  EXPECT_NEAR(said(0, 2), 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(said(1, 0), 0.5, 1e-6);
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
    EXPECT_EQ(at(io::Activation::relu_squared, x), std::max(x, 0.F) * std::max(x, 0.F));
  }
  EXPECT_GT(std::abs(at(io::Activation::gelu_tanh, 2) - at(io::Activation::gelu, 2)), 1e-5);
}

TEST(FeedForward, TheClampedGateEqualsItsDefinition) {
  BlockShape shape;
  shape.hidden_size = 2;
  shape.clamped_gate = {.alpha = 1.702, .limit = 7};
  const MatrixF pick = (MatrixF(2, 2) << 1, 0, 0, 1).finished(), once = (MatrixF(2, 1) << 1, 1).finished();
  const MlpWeights weights{{pick, {}}, {once, {}}};
  for (const float gate : {-50.F, -7.5F, -1.F, 0.F, 3.F, 7.F, 9.F}) {
    for (const float up : {-20.F, -7.F, -1.F, 0.5F, 7.5F}) {
      const double g = std::min(static_cast<double>(gate), 7.0), u = std::clamp(static_cast<double>(up), -7.0, 7.0);
      const MatrixF row = (MatrixF(1, 2) << gate, up).finished();
      EXPECT_NEAR(feed_forward(shape, weights, row)(0, 0), (u + 1) * g / (1 + std::exp(-1.702 * g)), 1e-5);
    }
  }
  EXPECT_TRUE(std::isnan(feed_forward(shape, weights, (MatrixF(1, 2) << NAN, 1).finished())(0, 0)));
  EXPECT_TRUE(std::isnan(feed_forward(shape, weights, (MatrixF(1, 2) << 1, NAN).finished())(0, 0)));
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
  w.attention_norm = {.present = true, .epsilon = 1e-6, .gain = random_matrix<float>(s.hidden_size, 1, 10), .bias = {}};
  w.mlp_norm = {.present = true,
                .centred = true,
                .epsilon = 1e-6,
                .gain = random_matrix<float>(s.hidden_size, 1, 11),
                .bias = {}};
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
