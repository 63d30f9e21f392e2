// GLM-4 in its three forms: a part of each head rotates.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {

void read_glm(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  config.require_written("num_key_value_heads");
  config.require_written("rms_norm_eps");
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model, 0.5);
  model.rotaries[0].pairs = RotaryPairs::neighbours;
  model.query_key_value_bias = config.flag("attention_bias", true);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.names.fused_gate_up = true;
  model.names.up = "mlp.gate_up_proj";
}

void read_glm4(const ConfigSource& config, ModelConfig& model) {
  read_glm(config, model);
  model.names.attention_output_norm = "post_self_attn_layernorm";
  model.names.mlp_output_norm = "post_mlp_layernorm";
}

void read_glm4_moe(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  config.require_written("first_k_dense_replace");
  read_common_sizes(config, model);
  set_rms_norm(config, model, 1e-5);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model, 0.5);
  model.query_key_value_bias = config.flag("attention_bias");
  model.tied_embeddings = config.flag("tie_word_embeddings");
  if (config.flag("use_qk_norm")) set_head_norms(model);
  config.require("topk_method", "noaux_tc");
  config.require("scoring_func", "sigmoid");
  read_corrected_experts(config, {}, true, model);
}

}  // namespace logitfield::io::families
