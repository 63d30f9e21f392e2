#include "io/config/model_config.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/checkpoint/layer_tensors.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/tiny_checkpoint.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;
using testing::TemporaryFolder;
using testing::tiny_config;

ModelConfig read(const json& config) {
  const TemporaryFolder folder;
  return read_model_config(folder.write("config.json", config.dump()));
}

json with(const char* key, const json& value, json config = tiny_config()) {
  config[key] = value;
  return config;
}

json without(const char* key, json config = tiny_config()) {
  config.erase(key);
  return config;
}

json tiny_mistral() { return with("sliding_window", nullptr, with("model_type", "mistral")); }
json tiny_qwen2() { return with("model_type", "qwen2"); }

bool has_bias(const ModelConfig& config) {
  return config.query_key_value_bias || config.attention_output_bias || config.mlp_bias || config.output_bias;
}

/// Whether the file, the key and the value are named.
::testing::AssertionResult refused_config(const json& config, std::vector<std::string_view> parts) {
  parts.push_back("config.json");
  return refuses([&] { read(config); }, parts);
}

TEST(ModelConfig, ReadsALlama) {
  const auto config = read(tiny_config());
  EXPECT_EQ(config.model_type, "llama");
  EXPECT_EQ(config.num_layers, 2);
  EXPECT_EQ(config.hidden_size, 8);
  EXPECT_EQ(config.intermediate_size, 12);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.group_size(), 2);
  EXPECT_EQ(config.head_dim, 2);
  EXPECT_EQ(config.vocab_size, 10);
  EXPECT_EQ(config.max_positions, 32);
  EXPECT_EQ(config.norm.epsilon, 1e-6);
  EXPECT_FALSE(config.norm.centred || config.norm.has_bias);
  EXPECT_EQ(config.rotaries.at(0).frequencies, std::vector<double>{1});
  EXPECT_EQ(config.scale, 1 / std::sqrt(2.0));
  EXPECT_FALSE(config.layers.at(1).window || has_bias(config));
  EXPECT_FALSE(config.tied_embeddings);
}

TEST(ModelConfig, WrittenValuesWinOverDefaults) {
  const auto config =
      read(with("rms_norm_eps", 1e-5, with("rope_theta", 5e5, with("head_dim", 6, with("tie_word_embeddings", true)))));
  EXPECT_EQ(config.norm.epsilon, 1e-5);
  EXPECT_DOUBLE_EQ(config.rotaries.at(0).frequencies.at(1), std::pow(5e5, -1.0 / 3));
  EXPECT_EQ(config.head_dim, 6);
  EXPECT_TRUE(config.tied_embeddings);
}

TEST(ModelConfig, KeyValueHeadsDefaultToTheHeadsForLlamaOnly) {
  EXPECT_EQ(read(without("num_key_value_heads")).num_kv_heads, 4);
  EXPECT_EQ(read(with("num_key_value_heads", nullptr, tiny_mistral())).num_kv_heads, 4);
  EXPECT_TRUE(refused_config(without("num_key_value_heads", tiny_mistral()), {"num_key_value_heads", "missing"}));
  EXPECT_TRUE(refused_config(without("num_key_value_heads", tiny_qwen2()), {"num_key_value_heads", "missing"}));
}

TEST(ModelConfig, LlamaBiases) {
  const auto attention = read(with("attention_bias", true));
  EXPECT_TRUE(attention.query_key_value_bias && attention.attention_output_bias);
  EXPECT_FALSE(attention.mlp_bias);
  EXPECT_TRUE(read(with("mlp_bias", true)).mlp_bias);
}

TEST(ModelConfig, MistralSlidingWindow) {
  EXPECT_FALSE(read(tiny_mistral()).layers.at(0).window);
  EXPECT_EQ(read(with("sliding_window", 16, tiny_mistral())).layers.at(1).window, 16);
  EXPECT_TRUE(refused_config(with("sliding_window", 0, tiny_mistral()), {"sliding_window", "0"}));
  EXPECT_TRUE(refused_config(without("sliding_window", tiny_mistral()), {"sliding_window", "missing"}));
}

TEST(ModelConfig, Qwen2HasBiasesAndWindowsInItsUpperLayers) {
  const auto config = read(with("sliding_window", 4096, with("use_sliding_window", false, tiny_qwen2())));
  EXPECT_TRUE(config.query_key_value_bias);
  EXPECT_FALSE(config.attention_output_bias || config.mlp_bias || config.layers.at(1).window);
  const json sliding = with("use_sliding_window", true, with("max_window_layers", 1, tiny_qwen2()));
  EXPECT_TRUE(refused_config(sliding, {"sliding_window", "missing"}));
  const auto windows = read(with("sliding_window", 8, sliding));
  EXPECT_FALSE(windows.layers.at(0).window);
  EXPECT_EQ(windows.layers.at(1).window, 8);
}

TEST(ModelConfig, RefusesWhatIsNoObject) {
  EXPECT_TRUE(refused_config(json::array(), {"object"}));
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { read_model_config(folder.path() / "config.json"); }, {"config.json", "No such file"}));
  EXPECT_TRUE(refuses([&] { read_model_config(folder.write("config.json", "{")); }, {"config.json", "not valid JSON"}));
}

TEST(ModelConfig, RefusesMissingAndImpossibleSizes) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
                          "max_position_embeddings"}) {
    EXPECT_TRUE(refused_config(without(key), {key, "missing"}));
    EXPECT_TRUE(refused_config(with(key, 0), {key, "0"}));
    EXPECT_TRUE(refused_config(with(key, -4), {key, "-4"}));
    EXPECT_TRUE(refused_config(with(key, std::int64_t{1} << 31), {key, "2147483648"}));
    EXPECT_TRUE(refused_config(with(key, "8"), {key, "\"8\""}));
    EXPECT_TRUE(refused_config(with(key, 8.5), {key, "8.5"}));
  }
  EXPECT_TRUE(refused_config(with("num_key_value_heads", 0), {"num_key_value_heads", "0"}));
  EXPECT_TRUE(refused_config(with("head_dim", -2), {"head_dim", "-2"}));
}

TEST(ModelConfig, RefusesSizesThatDoNotDivide) {
  EXPECT_TRUE(refused_config(with("num_key_value_heads", 3),
                             {"4 query heads", "num_attention_heads", "3 KV heads", "num_key_value_heads"}));
  EXPECT_TRUE(refused_config(with("hidden_size", 9), {"hidden_size", "9", "num_attention_heads", "4"}));
  EXPECT_EQ(read(with("head_dim", 4, with("hidden_size", 9))).head_dim, 4);
  EXPECT_TRUE(refused_config(with("head_dim", 3), {"head_dim", "3", "pairs"}));
  EXPECT_TRUE(refused_config(with("hidden_size", 4), {"head_dim", "1", "pairs"}));
}

TEST(ModelConfig, RefusesOtherModelsWithTheListOfWhatWorks) {
  EXPECT_TRUE(
      refused_config(with("model_type", "rwkv"), {"model_type", "\"rwkv\"", "gpt2, ", "llama, ", "capture_hf.py"}));
  EXPECT_TRUE(refused_config(without("model_type"), {"model_type", "missing"}));
}

TEST(ModelConfig, Activations) {
  EXPECT_EQ(read(with("hidden_act", "swish")).activation, Activation::silu);
  EXPECT_EQ(read(without("hidden_act")).activation, Activation::silu);
  EXPECT_EQ(read(with("hidden_act", "gelu")).activation, Activation::gelu);
  EXPECT_TRUE(refused_config(with("hidden_act", "mish"), {"hidden_act", "\"mish\""}));
}

TEST(ModelConfig, RotationsAreReadOrRefused) {
  EXPECT_NO_THROW(read(with("rope_scaling", nullptr)));
  EXPECT_NO_THROW(read(with("rope_scaling", {{"rope_type", "default"}})));
  EXPECT_NO_THROW(read(with("rope_scaling", {{"type", "default"}})));
  EXPECT_EQ(read(with("rope_scaling", {{"type", "linear"}, {"factor", 2}})).rotaries.at(0).frequencies.at(0), 0.5);
  EXPECT_TRUE(
      refused_config(with("rope_scaling", {{"rope_type", "llama3"}}), {"original_max_position_embeddings", "missing"}));
  EXPECT_TRUE(refused_config(with("rope_scaling", {{"rope_type", "ntk"}, {"factor", 2}}), {"rope_type", "\"ntk\""}));
  EXPECT_EQ(read(with("rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2}})).rotaries.at(0).frequencies,
            read(tiny_config()).rotaries.at(0).frequencies);
  EXPECT_TRUE(refused_config(with("rope_scaling", {{"type", "linear"}, {"factor", 2}, {"apple", 1}}),
                             {"rope_scaling", "apple"}));
  EXPECT_TRUE(
      refused_config(with("rope_scaling", {{"type", "linear"}, {"factor", 1e-320}}), {"rope_scaling", "not finite"}));
  EXPECT_TRUE(refused_config(with("rope_scaling", {{"factor", 2}}), {"rope_scaling", "rope_type"}));
  EXPECT_TRUE(refused_config(with("rope_scaling", "linear"), {"rope_scaling", "\"linear\""}));
  // rotary_dim is 64 if it is missing.
  const json small_heads = {{"model_type", "codegen"}, {"n_embd", 64},    {"n_head", 8}, {"n_layer", 2},
                            {"n_positions", 64},       {"vocab_size", 89}};
  EXPECT_TRUE(refused_config(small_heads, {"64 columns are rotated", "a head has 8"}));
  const json half = {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}};
  EXPECT_TRUE(refused_config(with("rope_parameters", half), {"rope_parameters", "partial_rotary_factor", "0.5"}));
  EXPECT_TRUE(refused_config(with("partial_rotary_factor", 0.5), {"partial_rotary_factor", "0.5"}));
  EXPECT_NO_THROW(read(with("partial_rotary_factor", 1.0)));
  const json two = with("rope_theta", 1e4, with("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 5e5}}));
  EXPECT_TRUE(refused_config(two, {"rope_theta", "10000", "500000", "rope_parameters"}));
}

TEST(ModelConfig, LongRopeChangesItsFactorsWithTheLength) {
  const json scaling = {{"rope_type", "longrope"}, {"short_factor", {2}}, {"long_factor", {4}}};
  const auto config =
      read(with("rope_scaling", scaling, with("original_max_position_embeddings", 16, with("model_type", "phi3"))));
  EXPECT_EQ(config.rotaries.at(0).frequencies_at(16), std::vector<double>{0.5});
  EXPECT_EQ(config.rotaries.at(0).frequencies_at(17), std::vector<double>{0.25});
}

TEST(ModelConfig, RefusesUnknownKeysThatMayChangeTheArithmetic) {
  for (const char* key : {"alibi_bias_max",
                          "attention_chunk_size",
                          "attention_multiplier",
                          "attn_logit_softcapping",
                          "clip_qkv",
                          "embedding_multiplier",
                          "final_logit_softcapping",
                          "logit_scale",
                          "logits_scaling",
                          "moe_topk",
                          "n_routed_experts",
                          "num_experts",
                          "qk_layernorm",
                          "quantization_config",
                          "query_pre_attn_scalar",
                          "residual_multiplier",
                          "rope_ratio",
                          "rotary_pct",
                          "sliding_window",
                          "use_logn_attn"}) {
    EXPECT_TRUE(refused_config(with(key, 7), {key, "7"}));
    EXPECT_NO_THROW(read(with(key, nullptr))) << key;
  }
  EXPECT_TRUE(refused_config(with("qkv_bias", true), {"qkv_bias", "true"}));
  EXPECT_TRUE(refused_config(with("is_causal", false), {"is_causal", "false"}));
  EXPECT_TRUE(refused_config(with("no_rope_layers", {1, 0}), {"no_rope_layers"}));
  // All in one message.
  EXPECT_TRUE(
      refused_config(with("clip_qkv", 7, with("residual_multiplier", 0.5)), {"clip_qkv", "residual_multiplier"}));
}

TEST(ModelConfig, PythiaMayNameItsRotationTwice) {
  json neox = with("model_type", "gpt_neox", with("rotary_pct", 0.5, with("rotary_emb_base", 500)));
  neox["head_dim"] = 4;
  EXPECT_EQ(read(with("rope_theta", 500.0, with("partial_rotary_factor", 0.5, neox))).rotaries.at(0).frequencies.size(),
            1);
  EXPECT_TRUE(refused_config(with("rope_theta", 400, neox), {"rotary_emb_base", "500", "rope_theta", "400"}));
  EXPECT_TRUE(refused_config(with("partial_rotary_factor", 1.0, neox), {"rotary_pct", "0.5", "partial_rotary_factor"}));
}

TEST(ModelConfig, TellsUnknownKeysThatChangeNothing) {
  EXPECT_TRUE(read(tiny_config()).unknown_keys.empty());
  EXPECT_TRUE(
      read(with("architectures", {"X"}, with("attention_dropout", 0.1, with("bos_token_id", 3)))).unknown_keys.empty());
  const auto told = [](const char* key, const json& value) {
    return read(with(key, value)).unknown_keys ==
           std::vector<std::string>{fmt::format("\"{}\" is {}", key, value.dump())};
  };
  EXPECT_TRUE(told("zebra", 7));
  EXPECT_TRUE(told("unk_token_id", 0));
  EXPECT_TRUE(told("is_llama_config", true));
  EXPECT_EQ(read(with("transformers.js_config", {{"kv_cache_dtype", "float16"}})).unknown_keys.size(), 1);
  // Neutral values of keys that mean something in other families.
  EXPECT_TRUE(told("use_mrope", false));
  EXPECT_TRUE(told("rope_interleaved", false));
  EXPECT_TRUE(told("interpolate_factor", 1));
  EXPECT_TRUE(told("attention_multiplier", 1.0));
  EXPECT_TRUE(told("sliding_window", 0));
  EXPECT_TRUE(told("n_special", 0));
  // The same value under a longer name.
  EXPECT_EQ(read(with("sliding_window_size", 8, with("sliding_window", 8, tiny_mistral()))).unknown_keys.size(), 1);
  EXPECT_TRUE(refused_config(with("sliding_window_size", 9, with("sliding_window", 8, tiny_mistral())),
                             {"sliding_window_size", "9"}));
}

TEST(ModelConfig, LayerTypesMustAllBeFull) {
  EXPECT_NO_THROW(read(with("layer_types", {"full_attention", "full_attention"})));
  EXPECT_TRUE(refused_config(with("layer_types", {"full_attention", "sliding_attention"}),
                             {"layer_types", "sliding_attention"}));
  EXPECT_TRUE(refused_config(with("layer_types", 3), {"layer_types", "3"}));
}

TEST(ModelConfig, RefusesImpossibleNumbers) {
  EXPECT_TRUE(refused_config(with("rms_norm_eps", 0), {"rms_norm_eps", "0", "positive"}));
  EXPECT_TRUE(refused_config(with("rope_theta", -1.5), {"rope_theta", "-1.5", "positive"}));
  EXPECT_TRUE(refused_config(with("tie_word_embeddings", 1), {"tie_word_embeddings", "1"}));
}

TEST(ModelConfig, NamesAndShapesOfTheTensors) {
  const auto config = read(with("head_dim", 6, tiny_qwen2()));
  const auto layer = layer_tensors(config, 1);
  EXPECT_EQ(layer.qkv[0].map.weight.name, "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(layer.qkv[0].map.weight.shape, (std::vector<std::int64_t>{24, 8}));
  EXPECT_EQ(layer.qkv[1].map.weight.shape, (std::vector<std::int64_t>{12, 8}));
  EXPECT_EQ(layer.qkv[2].map.weight.shape, (std::vector<std::int64_t>{12, 8}));
  EXPECT_EQ(layer.output.weight.shape, (std::vector<std::int64_t>{8, 24}));
  EXPECT_EQ(layer.mlp->gate->weight.shape, (std::vector<std::int64_t>{12, 8}));
  EXPECT_EQ(layer.mlp->down.weight.shape, (std::vector<std::int64_t>{8, 12}));
  ASSERT_TRUE(layer.qkv[0].map.bias && layer.qkv[1].map.bias && layer.qkv[2].map.bias);
  EXPECT_EQ(layer.qkv[0].map.bias->shape, std::vector<std::int64_t>{24});
  EXPECT_EQ(layer.qkv[2].map.bias->name, "model.layers.1.self_attn.v_proj.bias");
  EXPECT_FALSE(layer.output.bias || layer.mlp->gate->bias || layer.mlp->down.bias);
  EXPECT_EQ(input_embedding_tensor(config).shape, (std::vector<std::int64_t>{10, 8}));
  EXPECT_EQ(output_embedding_tensor(config).name, "lm_head.weight");
}

}  // namespace
}  // namespace logitfield::io
