// Phi-1.5 and Phi-2; Phi-3; StableLM: all rotate a part of each head.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {

void read_phi(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_layer_norm(config, "layer_norm_eps", model);
  set_activation(config, "hidden_act", "gelu_new", model);
  set_rotary(config, model, 0.5);
  set_plain_mlp("mlp.fc1", "mlp.fc2", model);
  model.parallel = true;
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = model.output_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.names.final_norm = "model.final_layernorm";
  model.names.mlp_norm = model.names.attention_norm;
  model.names.attention_output = "self_attn.dense";
  if (config.flag("qk_layernorm")) {
    model.head_norm = model.norm;
    model.names.query_norm = "self_attn.q_layernorm";
    model.names.key_norm = "self_attn.k_layernorm";
  }
}

void read_phi3(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model, 1);
  config.require("attention_bias", false);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.names.heads = HeadLayout::stacked;
  model.names.query = "self_attn.qkv_proj";
  model.names.fused_gate_up = true;
  model.names.up = "mlp.gate_up_proj";
  if (config.has("sliding_window")) {
    set_windows(
        config, config.size("sliding_window"), [](std::int64_t) { return true; }, model);
  }
}

void read_stablelm(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_layer_norm(config, "layer_norm_eps", model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model, 0.25);
  model.query_key_value_bias = config.flag("use_qkv_bias");
  model.parallel = config.flag("use_parallel_residual");
  if (model.parallel) model.names.mlp_norm = model.names.attention_norm;
  model.tied_embeddings = config.flag("tie_word_embeddings");
  if (config.flag("qk_layernorm")) {
    model.head_norm = model.norm;
    model.head_norm.has_bias = false;
    model.names.query_norm = "self_attn.q_layernorm.norms.{}";
    model.names.key_norm = "self_attn.k_layernorm.norms.{}";
  }
}

}  // namespace logitfield::io::families
