// OLMo 1 to 3, and OLMoE.
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
  set_head_norms(model);
}

}  // namespace

void read_olmo(const ConfigSource& config, ModelConfig& model) {
  read_olmo_base(config, model);
  model.norm = {.centred = true, .epsilon = 1e-5, .has_gain = false};
}

void read_olmo2(const ConfigSource& config, ModelConfig& model) {
  read_olmo_base(config, model);
  set_rms_norm(config, model, 1e-5);
  set_norms_over_all_heads(model);
  set_norms_of_outputs(model);
}

void read_olmo3(const ConfigSource& config, ModelConfig& model) {
  read_olmo2(config, model);
  set_windows(
      config, config.size_or("sliding_window", 4096), [](std::int64_t layer) { return (layer + 1) % 4 != 0; }, model);
  const RotaryDefaults both{.columns = model.head_dim, .theta = 500000, .max_positions = model.max_positions};
  set_rotaries_by_window(config, both, both, model);
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
