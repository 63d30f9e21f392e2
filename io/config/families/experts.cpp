// Mixtral, Qwen-MoE, ERNIE 4.5, Granite-MoE, HunYuan, dots.llm1 and MiniMax-M2: routed experts in place of the network.
#include <algorithm>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

/// Puts experts of the size of the network in its place.
void route_all_layers(ModelConfig& model) {
  model.expert_size = model.intermediate_size;
  for (LayerForm& layer : model.layers) layer.intermediate_size = 0, layer.routed = true;
}

/// Reads a size that files give once, or as a list of the same size for every layer.
std::int64_t one_for_all_layers(const ConfigSource& config, const char* key) {
  if (!config.at(key).is_array()) return config.size(key);
  const std::vector<double> sizes = config.numbers(key);
  const bool is_one = !sizes.empty() && std::ranges::count(sizes, sizes.front()) == std::ssize(sizes);
  if (!is_one || sizes.front() < 1) config.refuse(key, "use a model where it is the same in all layers");
  return static_cast<std::int64_t>(std::min(sizes.front(), 1e9));
}

void name_as_mixtral(ModelConfig& model) {
  model.names.router = "block_sparse_moe.gate";
  model.names.expert_gate = "block_sparse_moe.experts.{}.w1";
  model.names.expert_up = "block_sparse_moe.experts.{}.w3";
  model.names.expert_down = "block_sparse_moe.experts.{}.w2";
}

/// Reads the experts of Qwen2-MoE and Qwen3-MoE. `shared_size`: that of the expert that every token visits.
void read_qwen_experts(const ConfigSource& config, std::int64_t shared_size, ModelConfig& model) {
  model.routing = Routing{.num_experts = config.size(config.has("num_experts") ? "num_experts" : "num_local_experts"),
                          .top_k = config.size("num_experts_per_tok"),
                          .normalise = config.flag("norm_topk_prob")};
  model.expert_size = config.size("moe_intermediate_size");
  const std::int64_t step = config.size_or("decoder_sparse_step", 1);
  std::vector<double> dense;
  if (config.has("mlp_only_layers")) dense = config.numbers("mlp_only_layers");
  for (std::int64_t l = 0; l < model.num_layers; ++l) {
    const bool named_dense = std::ranges::find(dense, static_cast<double>(l)) != dense.end();
    if (named_dense || (l + 1) % step != 0) continue;
    model.layers[l].routed = true;
    model.layers[l].intermediate_size = shared_size;
  }
}

}  // namespace

void read_mixtral(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  if (config.has("sliding_window")) {
    set_windows(
        config, config.size("sliding_window"), [](std::int64_t) { return true; }, model);
  }
  config.ignore({"router_jitter_noise"});  // training only
  model.routing = Routing{
      .num_experts = config.size("num_local_experts"), .top_k = config.size("num_experts_per_tok"), .normalise = true};
  route_all_layers(model);
  name_as_mixtral(model);
}

void read_qwen3_moe(const ConfigSource& config, ModelConfig& model) {
  read_qwen3(config, model);
  read_qwen_experts(config, 0, model);
}

void read_qwen2_moe(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  read_llama_base(config, model);
  model.query_key_value_bias = config.flag("qkv_bias", true);
  config.require("use_sliding_window", false);
  config.ignore({"sliding_window", "max_window_layers"});
  require_full_attention(config, model);
  read_qwen_experts(config, config.size("shared_expert_intermediate_size"), model);
  name_shared_expert("mlp.shared_expert", model);
  model.names.shared_router = "mlp.shared_expert_gate";
}

void read_ernie4_5_moe(const ConfigSource& config, ModelConfig& model) {
  read_ernie4_5(config, model);
  config.require("moe_gate", "topk");
  config.require("moe_use_aux_free", true);
  config.require("moe_norm_min", 1e-12);
  config.ignore({"moe_capacity", "num_nextn_predict_layers"});
  model.routing = Routing{.num_experts = config.size("moe_num_experts"),
                          .top_k = config.size("moe_k"),
                          .normalise = true,
                          .has_bias = true};
  model.expert_size = config.size("moe_intermediate_size");
  const std::int64_t shared = config.count_or("moe_num_shared_experts", 2) * model.expert_size;
  const std::int64_t first = config.count_or("moe_layer_start_index", 1),
                     step = config.size_or("moe_layer_interval", 1);
  const double last = config.number_or("moe_layer_end_index", -1);
  for (std::int64_t l = first; l < model.num_layers; ++l) {
    if ((l + 1) % step != 0 || (last >= 0 && static_cast<double>(l) > last)) continue;
    model.layers[l].routed = true;
    model.layers[l].intermediate_size = shared;
  }
  model.names.router_bias = "mlp.moe_statics.e_score_correction_bias";
  name_shared_expert("mlp.shared_experts", model);
}

void read_granitemoe(const ConfigSource& config, ModelConfig& model) {
  read_granite(config, model);
  config.require("position_embedding_type", "rope");
  model.routing = Routing{
      .num_experts = config.size("num_local_experts"), .top_k = config.size("num_experts_per_tok"), .normalise = true};
  route_all_layers(model);
  model.names.router = "block_sparse_moe.router.layer";
  model.names.fused_expert_gate_up = true;
  model.names.expert_up = "block_sparse_moe.input_linear[{}]";
  model.names.expert_down = "block_sparse_moe.output_linear[{}]";
}

void read_hunyuan_v1_moe(const ConfigSource& config, ModelConfig& model) {
  read_hunyuan_base(config, model);
  model.routing = Routing{
      .num_experts = config.size("num_experts"), .top_k = one_for_all_layers(config, "moe_topk"), .normalise = true};
  route_all_layers(model);
  for (LayerForm& layer : model.layers) layer.intermediate_size = model.intermediate_size;
  // Written in published files, not read by transformers.
  config.require("norm_topk_prob", true);
  for (const char* key : {"group_limited_greedy", "moe_random_routing_dropped_token", "moe_drop_tokens"}) {
    config.require(key, false);
  }
  config.require("routed_scaling_factor", 1.0);
  config.require("moe_layer_num_skipped", 0);
  config.ignore({"capacity_factor", "moe_intermediate_size", "num_shared_expert", "topk_group", "use_mixed_mlp_moe"});
  model.names.router = "mlp.gate.wg";
  name_shared_expert("mlp.shared_mlp", model);
}

void read_dots1(const ConfigSource& config, ModelConfig& model) {
  config.require_written("sliding_window");
  read_llama_base(config, model);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  set_head_norms(model);
  const std::int64_t first = config.count_or("max_window_layers", 62);
  if (config.has("sliding_window")) {
    set_windows(
        config, config.size("sliding_window"), [&](std::int64_t layer) { return layer >= first; }, model);
  }
  config.ignore({"scoring_func", "topk_method"});  // files name the sigmoid "noaux_tc" too
  read_corrected_experts(config, {}, false, model);
}

void read_minimax_m2(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  config.require_written("num_key_value_heads");
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  const auto rotated = static_cast<double>(config.size_or("rotary_dim", model.head_dim));
  set_rotary(config, model, rotated / static_cast<double>(model.head_dim), 5e6);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.head_norm_over_all = true;
  set_head_norms(model);
  config.require("use_qk_norm", true);
  config.require("qk_norm_type", "per_layer");
  config.require("scoring_func", "sigmoid");
  config.require("use_routing_bias", true);
  config.require("shared_intermediate_size", 0);
  config.ignore({"router_jitter_noise", "shared_moe_mode"});
  for (const char* key : {"layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta"}) {
    config.require(key, 1.0);
  }
  name_as_mixtral(model);
  model.names.router_bias = "block_sparse_moe.e_score_correction_bias";
  model.routing = Routing{.num_experts = config.size("num_local_experts"),
                          .top_k = config.size("num_experts_per_tok"),
                          .sigmoid = true,
                          .normalise = true,
                          .has_bias = true};
  route_all_layers(model);
}

}  // namespace logitfield::io::families
