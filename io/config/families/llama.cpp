// Llama and families that differ from it by a few keys: Mistral, Qwen2, Qwen3.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_llama_base(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model);
  model.tied_embeddings = config.flag("tie_word_embeddings");
}

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
  model.names.query_norm = "self_attn.q_norm";
  model.names.key_norm = "self_attn.k_norm";
  read_qwen_windows(config, model);
}

}  // namespace logitfield::io::families
