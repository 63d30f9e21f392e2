#include "cuda_device.hpp"
#include "kernels/backend.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels {
namespace {

using testing::for_thread_orders;
using testing::random_matrix;

Norm norm_of(Index columns, bool centred, unsigned seed) {
  return {.present = true,
          .centred = centred,
          .epsilon = 1e-6,
          .gain = random_matrix<float>(columns, 1, seed).array() * 0.1F + 1,
          .bias = centred ? VectorF(random_matrix<float>(columns, 1, seed + 1)) : VectorF()};
}

/// Products of unit-size rows keep unit size.
Linear map_of(Index outputs, Index inputs, bool bias, unsigned seed) {
  return {MatrixF(random_matrix<float>(outputs, inputs, seed) / std::sqrt(static_cast<float>(inputs))),
          bias ? VectorF(random_matrix<float>(outputs, 1, seed + 1)) : VectorF()};
}

constexpr Index kHidden = 40;

struct Model {
  BlockShape shape;
  LayerWeights weights;
};

Model plain(Index heads, Index kv_heads, Index d, Index v, bool bias) {
  Model m;
  BlockShape& s = m.shape;
  s.hidden_size = kHidden;
  s.num_heads = heads;
  s.num_kv_heads = kv_heads;
  s.head_dim = d;
  s.value_dim = v;
  s.forms.assign(static_cast<std::size_t>(heads), {.scale = 1 / std::sqrt(static_cast<double>(d))});
  LayerWeights& w = m.weights;
  w.attention_norm = norm_of(kHidden, bias, 1);
  w.mlp_norm = norm_of(kHidden, bias, 3);
  w.qkv = map_of((heads + kv_heads) * d + kv_heads * v, kHidden, bias, 5);
  w.output = map_of(kHidden, heads * v, bias, 7);
  s.gated = !bias;
  w.mlp = {map_of((s.gated ? 2 : 1) * 52, kHidden, bias, 9), map_of(kHidden, 52, bias, 11)};
  return m;
}

Model grouped() {  // Llama, Qwen 3
  Model m = plain(6, 2, 12, 12, false);
  m.shape.rotary = io::Rotary{.frequencies = {1, 0.3, 0.1, 0.01, 0.001, 0.0001}};
  m.weights.query_norm = norm_of(12, false, 13);
  m.weights.key_norm = norm_of(12, false, 14);
  return m;
}

Model with_biases() {  // GPT-J, Phi
  Model m = plain(3, 3, 20, 20, true);
  m.shape.rotary = io::Rotary{.first_column = 4, .frequencies = {1, 0.3, 0.1}, .pairs = io::RotaryPairs::neighbours};
  m.shape.activation = io::Activation::gelu_tanh;
  for (LogitForm& form : m.shape.forms) form.visible.window = 11;
  m.shape.query_scale = 0.5F;
  return m;
}

Model sloped() {  // BLOOM, MPT
  Model m = plain(4, 1, 8, 8, true);
  for (LogitForm& form : m.shape.forms) form.alibi_slope = 0.25;
  m.shape.activation = io::Activation::gelu;
  m.shape.clip = 1.5F;
  return m;
}

Model capped() {  // Gemma 2
  Model m = plain(2, 2, 16, 16, false);
  for (LogitForm& form : m.shape.forms) form.softcap = 1.0;
  m.shape.activation = io::Activation::gelu_tanh;
  m.weights.attention_output_norm = norm_of(kHidden, false, 15);
  m.weights.mlp_output_norm = norm_of(kHidden, false, 16);
  return m;
}

Model normed_over_heads() {  // OLMo 2, OPT 350M
  Model m = plain(4, 2, 8, 8, false);
  m.shape.query_norm_columns = 32;
  m.shape.key_norm_columns = 16;
  m.weights.query_norm = norm_of(32, false, 17);
  m.weights.key_norm = norm_of(16, false, 18);
  m.weights.attention_norm = {};
  m.weights.mlp_norm = {};
  m.weights.attention_residual_norm = norm_of(kHidden, true, 19);
  m.weights.mlp_residual_norm = norm_of(kHidden, true, 21);
  m.shape.activation = io::Activation::relu;
  return m;
}

Model gains_by_head() {  // StableLM
  Model m = plain(4, 2, 8, 8, false);
  m.weights.query_norm = norm_of(32, false, 17);
  m.weights.key_norm = norm_of(16, false, 18);
  return m;
}

Model latent() {  // DeepSeek
  Model m = plain(3, 3, 14, 10, false);
  m.shape.latent_size = 18;
  m.shape.rotary = io::Rotary{.first_column = 8,
                              .frequencies = {1, 0.3, 0.1},
                              .amplitude = 1.1,
                              .pairs = io::RotaryPairs::neighbours_to_halves};
  LayerWeights& w = m.weights;
  w.query_down = map_of(22, kHidden, false, 23);
  w.latent_query_norm = norm_of(22, false, 24);
  w.qkv = map_of(3 * 14, 22, false, 25);
  w.key_value_down = map_of(18 + 6, kHidden, false, 26);
  w.latent_norm = norm_of(18, false, 27);
  w.key_value_up = map_of(3 * (8 + 10), 18, false, 28);
  return m;
}

Model routed() {  // Mixtral, DeepSeek
  Model m = plain(2, 2, 8, 8, false);
  m.shape.routing = io::Routing{.num_experts = 6, .top_k = 2, .normalise = true, .scale = 1.5};
  m.weights.router = random_matrix<float>(6, kHidden, 29);
  m.weights.first_expert = 1;
  for (unsigned e = 0; e < 4; ++e) {
    m.weights.experts.push_back({map_of(2 * 20, kHidden, false, 30 + 2 * e), map_of(kHidden, 20, false, 31 + 2 * e)});
  }
  return m;
}

Model with_shared_expert() {  // Qwen2-MoE
  Model m = routed();
  m.weights.shared_router = random_matrix<float>(1, kHidden, 50);
  return m;
}

Model with_sinks() {  // gpt-oss
  Model m = routed();
  double sink = -1;
  for (LogitForm& form : m.shape.forms) form.sink = sink += 1.5;
  m.shape.clamped_gate = {.alpha = 1.702, .limit = 0.7};
  m.weights.router_logit_bias = random_matrix<float>(6, 1, 51);
  for (MlpWeights& expert : m.weights.experts) {
    expert.up.bias = random_matrix<float>(2 * 20, 1, 52);
    expert.down.bias = random_matrix<float>(kHidden, 1, 53);
  }
  return m;
}

Model clamped() {  // a dense network with such a gate
  Model m = plain(2, 1, 8, 8, false);
  m.shape.clamped_gate = {.alpha = 1.2, .limit = 0.5};
  for (LogitForm& form : m.shape.forms) form.sink = 0.5;
  return m;
}

Model squared() {  // Arcee
  Model m = plain(2, 1, 8, 8, true);
  m.shape.activation = io::Activation::relu_squared;
  return m;
}

Model normed_after_rotation() {  // HunYuan
  Model m = grouped();
  m.shape.norm_after_rotation = true;
  return m;
}

struct Result {
  MatrixF attention, mlp, hidden, queries, keys;
};

Result run(const Backend& backend, const Model& m, const MatrixF& states) {
  Result out;
  const auto take = [](const Activations& a) {
    MatrixF values;
    a.read([&](const MatrixF& v) { values = v; });
    return values;
  };
  const auto layer = backend.load(std::make_shared<const LayerWeights>(m.weights));
  const auto hidden = backend.upload(states);
  const AttentionOutput said = backend.attention(m.shape, *layer, alone(), *hidden);
  out.attention = take(*said.partial);
  for (Index h = 0; h < m.shape.num_heads; ++h) {
    out.queries.conservativeResize((h + 1) * states.rows(), m.shape.head_dim);
    out.queries.bottomRows(states.rows()) = said.heads->queries(h, 0, states.rows());
  }
  for (Index h = 0; h < m.shape.num_kv_heads; ++h) {
    out.keys.conservativeResize((h + 1) * states.rows(), m.shape.head_dim);
    out.keys.bottomRows(states.rows()) = said.heads->keys(h, 0, states.rows());
  }
  backend.finish(Half::attention, *layer, *said.partial, *hidden);
  const auto mlp = backend.mlp(m.shape, *layer, *hidden);
  out.mlp = take(*mlp);
  backend.add(*mlp, *mlp);
  backend.finish(Half::mlp, *layer, *mlp, *hidden);
  out.hidden = take(*hidden);
  return out;
}

void expect_close(const MatrixF& found, const MatrixF& expected, double tolerance, const char* what) {
  ASSERT_EQ(found.rows(), expected.rows());
  ASSERT_EQ(found.cols(), expected.cols());
  ASSERT_TRUE(found.allFinite()) << what;
  const double off = static_cast<double>((found - expected).norm() / expected.norm());
  EXPECT_TRUE(off <= tolerance) << what << ": " << off;
}

const std::vector<std::pair<const char*, Model (*)()>> kModels{{"grouped", grouped},
                                                               {"with biases", with_biases},
                                                               {"sloped", sloped},
                                                               {"capped", capped},
                                                               {"normed over heads", normed_over_heads},
                                                               {"gains by head", gains_by_head},
                                                               {"latent", latent},
                                                               {"routed", routed},
                                                               {"with a shared expert", with_shared_expert},
                                                               {"with sinks", with_sinks},
                                                               {"clamped", clamped},
                                                               {"squared", squared},
                                                               {"normed after rotation", normed_after_rotation}};

void expect_blocks_equal(Precision precision, double tolerance) {
  const auto cpu = make_backend(BackendKind::cpu), cuda = make_backend(BackendKind::cuda, precision);
  for (const auto& [name, model] : kModels) {
    SCOPED_TRACE(name);
    // a router's choice of experts changes with the last bit of a logit
    const Model m = model();
    if (precision == Precision::bf16 && m.shape.routing) continue;
    for (const Index length : {1, 37, 70}) {
      const MatrixF states = random_matrix<float>(length, kHidden, 40);
      const Result found = run(*cuda, m, states), expected = run(*cpu, m, states);
      expect_close(found.queries, expected.queries, tolerance, "queries");
      expect_close(found.keys, expected.keys, tolerance, "keys");
      expect_close(found.attention, expected.attention, tolerance, "attention");
      expect_close(found.mlp, expected.mlp, tolerance, "mlp");
      expect_close(found.hidden, expected.hidden, tolerance, "hidden");
    }
  }
}

TEST(CudaBlock, Float32EqualsTheCpu) {
  REQUIRE_DEVICE();
  for_thread_orders([] { expect_blocks_equal(Precision::float32, 1e-5); });
}

// Tolerances from unit roundoffs 2^-11 and 2^-9 of the operands in about ten successive products.
TEST(CudaBlock, Tf32AndBf16AreAsCloseAsTheyCanBe) {
  REQUIRE_DEVICE();
  expect_blocks_equal(Precision::tf32, 5e-3);
  expect_blocks_equal(Precision::bf16, 2e-2);
}

TEST(CudaBlock, OutputLayerAndLossEqualTheCpu) {
  REQUIRE_DEVICE();
  const auto cpu = make_backend(BackendKind::cpu), cuda = make_backend(BackendKind::cuda);
  const MatrixF states = random_matrix<float>(33, kHidden, 41);
  const std::vector<std::int32_t> targets{7,  0,  300, 12, 5,  299, 128, 129, 130, 1,  2,  3,  4,  250, 251, 252,
                                          44, 43, 42,  41, 40, 39,  38,  37,  36,  35, 34, 33, 32, 31,  30,  29};
  const auto losses = [&](const Backend& backend) {
    LossPart loss(32);
    const auto rows = backend.upload(states);
    backend.normalise(norm_of(kHidden, true, 42), *rows);
    for (const Index first : {0, 128}) {
      const auto map = backend.load(map_of(first == 0 ? 128 : 173, kHidden, true, 43 + static_cast<unsigned>(first)));
      const auto logits = backend.linear(*rows, *map);
      backend.soft_cap(2, *logits);
      backend.add_loss(*logits, first, targets, loss);
    }
    return Vector(loss.max.array() + loss.sum.array().log() - loss.target.array());
  };
  const Vector found = losses(*cuda), expected = losses(*cpu);
  EXPECT_TRUE((found - expected).cwiseAbs().maxCoeff() <= 1e-5) << (found - expected).transpose();
  EXPECT_TRUE(found.allFinite());
}

}  // namespace
}  // namespace logitfield::kernels
