// Llama and families that differ from it by a few keys.
#include <cmath>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_qwen_windows(const ConfigSource& config, ModelConfig& model) {
  const std::int64_t first = config.count_or("max_window_layers", 28);
  if (!config.flag("use_sliding_window")) {
    config.ignore({"sliding_window"});
    return require_full_attention(config, model);
  }
  set_windows(
      config, config.size("sliding_window"), [&](std::int64_t layer) { return layer >= first; }, model);
}

}  // namespace

void read_llama(const ConfigSource& config, ModelConfig& model) {
  read_llama_base(config, model);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  model.mlp_bias = config.flag("mlp_bias");
  require_full_attention(config, model);
}

void read_mistral(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  config.require_written("sliding_window");
  read_llama_base(config, model);
  if (config.has("sliding_window")) {
    set_windows(
        config, config.size("sliding_window"), [](std::int64_t) { return true; }, model);
  }
}

void read_qwen2(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  read_llama_base(config, model);
  model.query_key_value_bias = true;
  read_qwen_windows(config, model);
}

void read_qwen3(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  read_llama_base(config, model);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  set_head_norms(model);
  read_qwen_windows(config, model);
}

void read_smollm3(const ConfigSource& config, ModelConfig& model) {
  read_llama_base(config, model);
  set_rotary(config, model, {}, 2e6);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  model.mlp_bias = config.flag("mlp_bias");
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  const std::int64_t interval = config.size_or("no_rope_layer_interval", 4);
  std::vector<double> rotated;  // 1: yes, despite the name of the key
  if (config.has("no_rope_layers")) {
    rotated = config.numbers("no_rope_layers");
    if (std::ssize(rotated) != model.num_layers) config.refuse("no_rope_layers", "give one entry per layer");
  }
  for (std::int64_t l = 0; l < model.num_layers; ++l) {
    if (rotated.empty() ? (l + 1) % interval == 0 : rotated[l] == 0) model.layers[l].rotary = -1;
  }
  config.ignore({"max_window_layers"});
  if (!config.flag("use_sliding_window") || !config.has("sliding_window")) {
    config.ignore({"sliding_window"});
    return require_full_attention(config, model);
  }
  set_windows(
      config, config.size("sliding_window"), [&](std::int64_t layer) { return model.layers[layer].rotary < 0; }, model);
}

/// The residual stream is kept divided by its multiplier. Each half then adds its output as it is; norms do not feel
/// the factor, apart from their epsilon.
void read_granite(const ConfigSource& config, ModelConfig& model) {
  read_llama(config, model);
  model.scale = config.positive_or("attention_multiplier", 1);
  const double residual = config.positive_or("residual_multiplier", 1);
  model.embedding_scale = config.positive_or("embedding_multiplier", 1) / residual;
  model.norm.epsilon /= residual * residual;
  if (!std::isfinite(model.embedding_scale) || !std::isfinite(model.norm.epsilon)) {
    config.refuse("residual_multiplier", "use a model with a larger one");
  }
  model.output_scale = 1 / config.positive_or("logits_scaling", 1);
  if (!std::isfinite(model.output_scale)) config.refuse("logits_scaling", "use a model with a larger one");
}

void read_seed_oss(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  read_llama_base(config, model);
  model.query_key_value_bias = config.flag("attention_bias", true);
  model.attention_output_bias = config.flag("attention_out_bias");
  model.mlp_bias = config.flag("mlp_bias");
}

void read_arcee(const ConfigSource& config, ModelConfig& model) {
  read_llama(config, model);
  set_rms_norm(config, model, 1e-5);
  set_activation(config, "hidden_act", "relu2", model);
  set_plain_mlp(model.names.up, model.names.down, model);
}

void read_ernie4_5(const ConfigSource& config, ModelConfig& model) {
  read_llama_base(config, model);
  set_rms_norm(config, model, 1e-5);
  set_rotary(config, model, {}, 500000);
  model.rotaries[0].pairs = RotaryPairs::neighbours;
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = config.flag("use_bias");
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  config.require("use_rmsnorm", true);
}

void read_exaone4(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  config.require_written("sliding_window");
  read_llama_base(config, model);
  set_rms_norm(config, model, 1e-5);
  set_head_norms(model);
  set_norms_of_outputs(model);
  if (!config.has("sliding_window")) {
    config.ignore({"sliding_window_pattern"});
    return require_full_attention(config, model);
  }
  if (config.has("layer_types")) config.ignore({"sliding_window_pattern"});
  const std::int64_t pattern = config.has("layer_types") ? 1 : config.size_or("sliding_window_pattern", 4);
  set_windows(
      config, config.size("sliding_window"), [&](std::int64_t layer) { return (layer + 1) % pattern != 0; }, model);
  // Full layers among others have no positions.
  for (LayerForm& layer : model.layers) layer.rotary = layer.window ? 0 : -1;
}

void read_hunyuan_base(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_rms_norm(config, model, 1e-5);
  set_activation(config, "hidden_act", "silu", model);
  model.rotaries = {
      read_rotary(config, {.columns = model.head_dim, .max_positions = model.max_positions, .has_alpha = true}).rotary};
  for (LayerForm& layer : model.layers) layer.rotary = 0;
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.names.query_norm = "self_attn.query_layernorm";
  model.names.key_norm = "self_attn.key_layernorm";
  model.head_norm_after_rotation = true;
  // Written in published files, not read by transformers.
  for (const char* key : {"use_qk_norm", "use_rotary_pos_emb"}) config.require(key, true);
  for (const char* key : {"use_cla", "use_mla", "mlp_bias", "position_embedding_xdrope"}) config.require(key, false);
  config.ignore({"cla_share_factor", "norm_type"});
}

void read_hunyuan_v1_dense(const ConfigSource& config, ModelConfig& model) {
  read_hunyuan_base(config, model);
  config.require("num_experts", 1);
  config.ignore({"moe_intermediate_size", "moe_topk", "num_shared_expert", "use_mixed_mlp_moe"});
}

}  // namespace logitfield::io::families
