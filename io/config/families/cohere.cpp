// Command R (Cohere): attention and MLP read the same norm, LayerNorm without bias, neighbours rotate, scaled logits.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_cohere_base(const ConfigSource& config, double theta, ModelConfig& model) {
  read_common_sizes(config, model);
  set_layer_norm(config, "layer_norm_eps", model);
  model.norm.has_bias = false;
  model.head_norm = model.norm;
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model, {}, theta);
  model.rotaries[0].pairs = RotaryPairs::neighbours;
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias");
  model.parallel = true;
  model.names.mlp_norm = model.names.attention_norm;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  model.output_scale = config.positive_or("logit_scale", 0.0625);
  // Written in published files, not read by transformers.
  config.require("position_embedding_type", "rope_gptj");
  config.require("rotary_pct", 1.0);
  config.require("order_of_interleaved_layers", "local_attn_first");
  config.require("use_gated_activation", true);
  config.require("use_parallel_block", true);
  config.ignore({"use_embedding_sharing"});  // tie_word_embeddings says so
}

}  // namespace

void read_cohere(const ConfigSource& config, ModelConfig& model) {
  read_cohere_base(config, 500000, model);
  if (config.flag("use_qk_norm")) {
    model.head_norm_by_head = true;
    set_head_norms(model);
  }
}

void read_cohere2(const ConfigSource& config, ModelConfig& model) {
  read_cohere_base(config, 10000, model);
  config.require("use_qk_norm", false);
  const std::int64_t pattern = config.size_or("sliding_window_pattern", config.size_or("_sliding_window_pattern", 4));
  set_windows(
      config, config.size_or("sliding_window", 4096), [&](std::int64_t layer) { return (layer + 1) % pattern != 0; },
      model);
  // Full layers have no positions.
  for (LayerForm& layer : model.layers) layer.rotary = layer.window ? 0 : -1;
}

}  // namespace logitfield::io::families
