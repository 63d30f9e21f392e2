// Gemma 1, 2 and 3 (text alone, or beside vision): norm gains stored minus one, embeddings times sqrt(hidden_size),
// local and global layers.
#include <cmath>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_gemma_base(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  model.norm.gain_offset = model.head_norm.gain_offset = 1;
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
}

/// Gemma 2 and 3: norms around both halves, their own scale, capped logits.
void read_second(const ConfigSource& config, ModelConfig& model) {
  read_gemma_base(config, model);
  set_activation(config, "hidden_activation", "gelu_pytorch_tanh", model);
  config.ignore({"hidden_act"});
  config.require("use_bidirectional_attention", false);
  model.names.attention_output_norm = "post_attention_layernorm";
  model.names.mlp_norm = "pre_feedforward_layernorm";
  model.names.mlp_output_norm = "post_feedforward_layernorm";
  model.scale = 1 / std::sqrt(config.positive_or("query_pre_attn_scalar", 256));
  if (config.has("attn_logit_softcapping")) model.logit_softcap = config.positive_or("attn_logit_softcapping", 0);
  if (config.has("final_logit_softcapping")) model.output_softcap = config.positive_or("final_logit_softcapping", 0);
}

}  // namespace

void read_gemma(const ConfigSource& config, ModelConfig& model) {
  read_gemma_base(config, model);
  set_rotary(config, model);
  // The first files name hidden_act "gelu", but the models were trained with the tanh form, which hidden_activation may
  // name.
  config.ignore({"hidden_activation"});
  set_activation(config, "hidden_act", "gelu_pytorch_tanh", model);
  if (model.activation == Activation::gelu) model.activation = Activation::gelu_tanh;
  config.require("use_bidirectional_attention", false);
}

void read_gemma2(const ConfigSource& config, ModelConfig& model) {
  read_second(config, model);
  set_rotary(config, model);
  set_windows(
      config, config.size_or("sliding_window", 4096), [](std::int64_t layer) { return layer % 2 == 0; }, model);
}

void read_gemma3(const ConfigSource& config, ModelConfig& model) {
  read_second(config, model);
  set_head_norms(model);
  const std::int64_t pattern = config.size_or("sliding_window_pattern", config.size_or("_sliding_window_pattern", 6));
  set_windows(
      config, config.size_or("sliding_window", 4096), [&](std::int64_t layer) { return (layer + 1) % pattern != 0; },
      model);
  const RotaryDefaults global{.columns = model.head_dim, .theta = 1e6, .max_positions = model.max_positions};
  RotaryDefaults local = global;
  local.theta = config.positive_or("rope_local_base_freq", 10000);
  local.theta_key = "rope_local_base_freq";
  set_rotaries_by_window(config, global, local, model);
}

void read_gemma3_nested(const ConfigSource& config, ModelConfig& model) {
  // Published files leave out of text_config what equals transformers' defaults.
  nlohmann::json text = {{"num_attention_heads", 8},
                         {"num_key_value_heads", 4},
                         {"head_dim", 256},
                         {"vocab_size", 262208},
                         {"max_position_embeddings", 131072}};
  const ConfigSource written = config.object("text_config");
  written.require("model_type", "gemma3_text");
  text.update(config.at("text_config"));
  read_inner(ConfigSource(written.path(), text), read_gemma3, model);
  model.tied_embeddings = config.flag("tie_word_embeddings", model.tied_embeddings);
  config.ignore({"vision_config", "mm_tokens_per_image", "boi_token_index", "eoi_token_index", "image_token_index"});
  model.unread_parts = {"vision_config", "vision_tower.", "multi_modal_projector."};
  set_names_prefix("model.language_model.", model);
  model.names.other_prefixes = {{"language_model.model.", "model.language_model."},
                                {"language_model.lm_head", "lm_head"}};
}

}  // namespace logitfield::io::families
