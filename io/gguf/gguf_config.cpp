#include "io/gguf/gguf_config.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.hpp"
#include "io/gguf/deepseek_config.hpp"
#include "io/gguf/description.hpp"
#include "io/gguf/gguf_rotation.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::int64_t kMostLayersLookedAt = 10'000;  // models of more layers have no tensors for them

/// Sizes under the names that Llama and its relatives use, RMS norm and rotation.
void describe_llama_like(GgufDescription& d) {
  d.keys.copy_sizes(d.config, {{"num_hidden_layers", "block_count"},
                               {"hidden_size", "embedding_length"},
                               {"num_attention_heads", "attention.head_count"},
                               {"max_position_embeddings", "context_length"}});
  d.keys.copy(d.config, {{"intermediate_size", "feed_forward_length"},
                         {"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                         {"layer_norm_eps", "attention.layer_norm_epsilon"}});
  d.config["num_key_value_heads"] =
      d.keys.integer_or("attention.head_count_kv", d.keys.integer("attention.head_count"));
  d.config["head_dim"] = head_dim_of(d.keys);
  describe_rotation(d.model, d.keys, d.config);
}

void describe_experts(GgufDescription& d, const char* count_key) {
  d.keys.copy(d.config, {{count_key, "expert_count"}, {"num_experts_per_tok", "expert_used_count"}});
}

void describe_biases(GgufDescription& d) {
  d.config["attention_bias"] = d.has_tensor("blk.0.attn_q.bias");
  d.config["mlp_bias"] = d.has_tensor("blk.0.ffn_up.bias");
}

void describe_llama_with_biases(GgufDescription& d) {
  describe_llama_like(d);
  describe_biases(d);
}

void describe_llama(GgufDescription& d) {
  describe_llama_like(d);
  if (d.keys.integer_or("expert_count", 0) > 0) {
    d.config["model_type"] = "mixtral";
    describe_experts(d, "num_local_experts");
    return;
  }
  d.keys.ignore({"expert_used_count"});
  describe_biases(d);
}

void describe_qwen3(GgufDescription& d) {
  describe_llama_like(d);
  d.config["attention_bias"] = d.has_tensor("blk.0.attn_q.bias");
}

/// Lists the layers without a router.
json dense_layers(const GgufDescription& d) {
  json out = json::array();
  const auto layers = optional_or<std::int64_t>(d.config, "num_hidden_layers", 0, d.model.path().string());
  for (std::int64_t layer = 0; layer < std::min(layers, kMostLayersLookedAt); ++layer) {
    if (!d.model.has(fmt::format("blk.{}.ffn_gate_inp.weight", layer))) out.push_back(layer);
  }
  return out;
}

void describe_qwen3_moe(GgufDescription& d) {
  describe_qwen3(d);
  d.config["mlp_only_layers"] = dense_layers(d);
  describe_experts(d, "num_experts");
  d.keys.copy(d.config, {{"moe_intermediate_size", "expert_feed_forward_length"}});
  if (!d.config.contains("intermediate_size")) d.config["intermediate_size"] = d.config["moe_intermediate_size"];
  d.config["norm_topk_prob"] = true;  // as llama.cpp computes it; the file does not say
}

void describe_phi3(GgufDescription& d) {
  describe_llama_like(d);
  // 0 in files of models without windows.
  if (d.keys.integer_or("attention.sliding_window", 0) > 0) {
    d.keys.copy(d.config, {{"sliding_window", "attention.sliding_window"}});
  }
}

void describe_stablelm(GgufDescription& d) {
  describe_llama_like(d);
  d.keys.ignore({"use_parallel_residual"});
  d.config["use_parallel_residual"] = !d.has_tensor("blk.0.ffn_norm.weight");
  d.config["use_qkv_bias"] = d.has_tensor("blk.0.attn_q.bias");
  d.config["qk_layernorm"] = d.has_tensor("blk.0.attn_q_norm.weight");
}

/// In the largest models of Gemma 2 and 3, the scale is not 1 / sqrt(head dimension). The file does not give it.
void describe_gemma_scale(GgufDescription& d, std::int64_t layers_of_largest) {
  const std::int64_t heads = std::max<std::int64_t>(1, d.keys.integer("attention.head_count"));
  const bool is_largest = d.keys.integer("block_count") == layers_of_largest;
  const auto divisor =
      static_cast<double>(is_largest ? d.keys.integer("embedding_length") / heads : head_dim_of(d.keys));
  const double scale = d.keys.number_or("attention.scale", 0);
  d.config["query_pre_attn_scalar"] = scale > 0 ? 1 / (scale * scale) : divisor;
  d.config["sliding_window"] = d.keys.integer_or("attention.sliding_window", 4096);
}

void describe_gemma2(GgufDescription& d) {
  describe_llama_like(d);
  describe_gemma_scale(d, 46);
  d.config["attn_logit_softcapping"] = d.keys.number_or("attn_logit_softcapping", 50);
  d.config["final_logit_softcapping"] = d.keys.number_or("final_logit_softcapping", 30);
}

void describe_gemma3(GgufDescription& d) {
  describe_llama_like(d);
  describe_gemma_scale(d, 62);
  d.keys.copy(d.config, {{"attn_logit_softcapping", "attn_logit_softcapping"},
                         {"final_logit_softcapping", "final_logit_softcapping"},
                         {"sliding_window_pattern", "attention.sliding_window_pattern"}});
  d.config["rope_local_base_freq"] = d.keys.number_or("rope.freq_base_swa", 10000);
}

void describe_gpt2(GgufDescription& d) {
  d.keys.copy_sizes(d.config, {{"n_layer", "block_count"},
                               {"n_embd", "embedding_length"},
                               {"n_head", "attention.head_count"},
                               {"n_positions", "context_length"}});
  d.keys.copy(d.config, {{"n_inner", "feed_forward_length"}, {"layer_norm_epsilon", "attention.layer_norm_epsilon"}});
  d.keys.ignore({"attention.head_count_kv"});
}

void describe_gpt_neox(GgufDescription& d) {
  describe_llama_like(d);
  d.config["use_parallel_residual"] = d.keys.flag_or("use_parallel_residual", true);
  d.config["attention_bias"] = d.has_tensor("blk.0.attn_qkv.bias");
}

void describe_bloom(GgufDescription& d) {
  d.keys.copy_sizes(
      d.config, {{"n_layer", "block_count"}, {"hidden_size", "embedding_length"}, {"n_head", "attention.head_count"}});
  d.keys.copy(d.config, {{"layer_norm_epsilon", "attention.layer_norm_epsilon"}});
  d.keys.ignore({"attention.head_count_kv", "feed_forward_length", "context_length"});  // that of training
}

void describe_mpt(GgufDescription& d) {
  d.keys.copy_sizes(d.config, {{"n_layers", "block_count"},
                               {"d_model", "embedding_length"},
                               {"n_heads", "attention.head_count"},
                               {"max_seq_len", "context_length"}});
  d.keys.copy(d.config, {{"layer_norm_epsilon", "attention.layer_norm_epsilon"}});
  d.keys.ignore({"attention.head_count_kv", "feed_forward_length"});
  d.config["attn_config"] = {{"alibi", true}, {"alibi_bias_max", d.keys.number_or("attention.max_alibi_bias", 8)}};
  if (d.keys.number_or("attention.clamp_kqv", 0) > 0) {
    d.keys.copy(d.config["attn_config"], {{"clip_qkv", "attention.clamp_kqv"}});
  }
}

/// Writes the newer architecture, which includes the older one as the case of one KV head and one norm.
void describe_falcon(GgufDescription& d) {
  describe_llama_like(d);
  d.config["num_kv_heads"] = d.config["num_key_value_heads"];
  d.config["ffn_hidden_size"] = d.config["intermediate_size"];
  d.config["layer_norm_epsilon"] = d.config["layer_norm_eps"];
  for (const char* key : {"num_key_value_heads", "intermediate_size", "layer_norm_eps"}) d.config.erase(key);
  d.config["new_decoder_architecture"] = true;
  d.config["num_ln_in_parallel_attn"] = d.has_tensor("blk.0.attn_norm_2.weight") ? 2 : 1;
}

void describe_olmo(GgufDescription& d) {
  describe_llama_like(d);
  d.config.erase("layer_norm_eps");  // 1e-5 in every model
  if (d.keys.number_or("attention.clamp_kqv", 0) > 0) d.keys.copy(d.config, {{"clip_qkv", "attention.clamp_kqv"}});
}

void describe_olmoe(GgufDescription& d) {
  describe_llama_like(d);
  describe_experts(d, "num_experts");
  d.keys.ignore({"expert_feed_forward_length"});  // the same as feed_forward_length
}

/// Writes which layers have a window, if the file lists them.
void describe_windows(GgufDescription& d) {
  d.keys.copy(d.config,
              {{"sliding_window", "attention.sliding_window"}, {"windows", "attention.sliding_window_pattern"}});
  if (!d.config.contains("windows") || !d.config["windows"].is_array()) return;
  json types = json::array();
  for (const json& has_window : d.config["windows"]) {
    types.push_back(has_window == true ? "sliding_attention" : "full_attention");
  }
  d.config["layer_types"] = types;
  d.config.erase("windows");
}

/// OLMo 3 is an OLMo 2 with windows.
void describe_olmo2(GgufDescription& d) {
  describe_llama_like(d);
  if (d.keys.integer_or("attention.sliding_window", 0) == 0) return;
  d.config["model_type"] = "olmo3";
  describe_windows(d);
  json& full = d.config["rope_parameters"];
  d.keys.copy(full, {{"attention_factor", "rope.scaling.attn_factor"}});
  d.config["rope_parameters"] = {{"full_attention", full},
                                 {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", full["rope_theta"]}}}};
}

void describe_granite(GgufDescription& d) {
  describe_llama_with_biases(d);
  d.keys.copy(d.config, {{"attention_multiplier", "attention.scale"},
                         {"embedding_multiplier", "embedding_scale"},
                         {"residual_multiplier", "residual_scale"},
                         {"logits_scaling", "logit_scale"}});
}

void describe_cohere(GgufDescription& d) {
  describe_llama_like(d);
  d.keys.copy(d.config, {{"logit_scale", "logit_scale"}});
  d.config["attention_bias"] = d.has_tensor("blk.0.attn_q.bias");
  d.config["use_qk_norm"] = d.has_tensor("blk.0.attn_q_norm.weight");
}

/// Every fourth layer is without a window, as llama.cpp computes it.
void describe_cohere2(GgufDescription& d) {
  describe_cohere(d);
  d.keys.copy(d.config, {{"sliding_window", "attention.sliding_window"}});
}

void describe_starcoder(GgufDescription& d) {
  describe_gpt2(d);
  d.config["multi_query"] = d.keys.integer_or("attention.head_count_kv", 1) == 1;
}

void describe_starcoder2(GgufDescription& d) {
  describe_llama_like(d);
  d.config["norm_epsilon"] = d.config["layer_norm_eps"];
  d.config.erase("layer_norm_eps");
  d.config["use_bias"] = d.has_tensor("blk.0.attn_q.bias");
}

void describe_ernie(GgufDescription& d) {
  describe_llama_like(d);
  d.config["use_bias"] = d.has_tensor("blk.0.attn_q.bias");
}

void describe_seed_oss(GgufDescription& d) {
  describe_llama_with_biases(d);
  d.config["attention_out_bias"] = d.has_tensor("blk.0.attn_output.bias");
}

void describe_exaone4(GgufDescription& d) {
  describe_llama_like(d);
  d.config["sliding_window"] = nullptr;
  describe_windows(d);
}

void describe_qwen2_moe(GgufDescription& d) {
  describe_llama_like(d);
  d.config["mlp_only_layers"] = dense_layers(d);
  describe_experts(d, "num_experts");
  d.keys.copy(d.config, {{"moe_intermediate_size", "expert_feed_forward_length"},
                         {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"}});
  d.config["qkv_bias"] = d.has_tensor("blk.0.attn_q.bias");
  d.config["norm_topk_prob"] = false;  // as llama.cpp computes it; the file does not say
}

/// An architecture of llama.cpp, and the model_type of its family.
struct GgufArchitecture {
  const char *name, *model_type;
  void (*describe)(GgufDescription&);
  bool interleaves_heads = false;
};

constexpr GgufArchitecture kArchitectures[] = {{"arcee", "arcee", describe_llama_with_biases, true},
                                               {"bloom", "bloom", describe_bloom},
                                               {"cohere2", "cohere2", describe_cohere2},
                                               {"command-r", "cohere", describe_cohere},
                                               {"deepseek2", "deepseek_v2", describe_deepseek2},
                                               {"ernie4_5", "ernie4_5", describe_ernie},
                                               {"exaone4", "exaone4", describe_exaone4},
                                               {"falcon", "falcon", describe_falcon},
                                               {"gemma", "gemma", describe_llama_like},
                                               {"gemma2", "gemma2", describe_gemma2},
                                               {"gemma3", "gemma3_text", describe_gemma3},
                                               {"glm4", "glm4", describe_qwen3},
                                               {"gpt2", "gpt2", describe_gpt2},
                                               {"gptneox", "gpt_neox", describe_gpt_neox},
                                               {"granite", "granite", describe_granite, true},
                                               {"llama", "llama", describe_llama, true},
                                               {"mpt", "mpt", describe_mpt},
                                               {"olmo", "olmo", describe_olmo, true},
                                               {"olmo2", "olmo2", describe_olmo2},
                                               {"olmoe", "olmoe", describe_olmoe},
                                               {"phi2", "phi", describe_llama_like},
                                               {"phi3", "phi3", describe_phi3},
                                               {"qwen2", "qwen2", describe_llama_like},
                                               {"qwen2moe", "qwen2_moe", describe_qwen2_moe},
                                               {"qwen3", "qwen3", describe_qwen3},
                                               {"qwen3moe", "qwen3_moe", describe_qwen3_moe},
                                               {"seed_oss", "seed_oss", describe_seed_oss},
                                               {"smollm3", "smollm3", describe_llama_with_biases, true},
                                               {"stablelm", "stablelm", describe_stablelm},
                                               {"starcoder", "gpt_bigcode", describe_starcoder},
                                               {"starcoder2", "starcoder2", describe_starcoder2}};

const GgufArchitecture* find_architecture(const std::string& name) {
  const auto* found = std::ranges::find(kArchitectures, name, &GgufArchitecture::name);
  return found == std::end(kArchitectures) ? nullptr : found;
}

}  // namespace

json config_of_gguf(const GgufModel& model) {
  const GgufArchitecture* architecture = find_architecture(model.architecture());
  if (!architecture) {
    std::vector<std::string> known;
    for (const GgufArchitecture& other : kArchitectures) known.emplace_back(other.name);
    throw InputError("{}: \"general.architecture\" is {}, which is not implemented; use a model of {}",
                     model.path().string(), excerpt(model.architecture()), fmt::join(known, ", "));
  }
  GgufDescription d{model, ArchitectureKeys(model)};
  d.config["model_type"] = architecture->model_type;
  architecture->describe(d);
  if (const auto embedding = model.find("token_embd.weight")) d.config["vocab_size"] = embedding->tensor->shape[0];
  d.config["tie_word_embeddings"] = !model.has("output.weight");
  d.keys.ignore({"vocab_size", "tensor_data_layout", "attention.value_length"});
  d.keys.hand_on_unread(d.config);
  return d.config;
}

bool interleaves_heads(const std::string& architecture) {
  const GgufArchitecture* found = find_architecture(architecture);
  return found && found->interleaves_heads;
}

}  // namespace logitfield::io
