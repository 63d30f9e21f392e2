// OLMo 1 and 2, and OLMoE.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_olmo_base(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  if (config.has("clip_qkv")) model.clip_qkv = config.positive_or("clip_qkv", 0);
  model.tied_embeddings = config.flag("tie_word_embeddings");
}

void set_norms_over_all_heads(ModelConfig& model) {
  model.head_norm_over_all = true;
  model.names.query_norm = "self_attn.q_norm";
  model.names.key_norm = "self_attn.k_norm";
}

}  // namespace

void read_olmo(const ConfigSource& config, ModelConfig& model) {
  read_olmo_base(config, model);
  model.norm = {.centred = true, .epsilon = 1e-5, .has_gain = false};
}

void read_olmo2(const ConfigSource& config, ModelConfig& model) {
  read_olmo_base(config, model);
  set_rms_norm(config, model);
  set_norms_over_all_heads(model);
  model.names.attention_norm.clear();
  model.names.attention_output_norm = "post_attention_layernorm";
  model.names.mlp_norm.clear();
  model.names.mlp_output_norm = "post_feedforward_layernorm";
}

void read_olmoe(const ConfigSource& config, ModelConfig& model) {
  read_olmo_base(config, model);
  set_rms_norm(config, model);
  set_norms_over_all_heads(model);
  model.routing = Routing{.num_experts = config.size("num_experts"),
                          .top_k = config.size("num_experts_per_tok"),
                          .normalise = config.flag("norm_topk_prob")};
  model.expert_size = model.intermediate_size;
  config.require("sliding_window", nullptr);
  for (LayerForm& layer : model.layers) layer = {.rotary = 0, .routed = true};
}

}  // namespace logitfield::io::families
