// gpt-oss: a learned sink in every head's softmax, alternating windows, YaRN, and experts with a clamped gate.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

/// Files without parameters of the rotation mean these.
void set_gpt_oss_rotary(const ConfigSource& config, ModelConfig& model) {
  constexpr double kTheta = 150000;
  if (config.has("rope_parameters") || config.has("rope_scaling")) return set_rotary(config, model, {}, kTheta);
  const ConfigSource usual(
      config.path(),
      {{"rope_type", "yarn"}, {"factor", 32.0}, {"truncate", false}, {"original_max_position_embeddings", 4096}});
  const RotaryDefaults defaults{.columns = model.head_dim, .theta = kTheta, .max_positions = model.max_positions};
  model.rotaries = {rotary_from(config, usual, defaults).rotary};
  for (LayerForm& layer : model.layers) layer.rotary = 0;
}

void name_gpt_oss_tensors(ModelConfig& model) {
  TensorNames& names = model.names;
  names.sinks = "self_attn.sinks";
  names.router = "mlp.router";
  names.fused_expert_gate_up = names.alternating_expert_gate_up = true;
  names.expert_up = "mlp.experts.gate_up_proj[{}]";
  names.expert_down = "mlp.experts.down_proj[{}]";
  names.expert_weight_ending.clear();
  names.expert_bias_ending = "_bias";
  names.transposed_experts = true;
}

}  // namespace

void read_gpt_oss(const ConfigSource& config, ModelConfig& model) {
  config.require_written("head_dim");
  config.require_written("num_key_value_heads");
  read_common_sizes(config, model);
  set_rms_norm(config, model, 1e-5);
  set_gpt_oss_rotary(config, model);
  set_windows(
      config, config.size_or("sliding_window", 128), [](std::int64_t layer) { return layer % 2 == 0; }, model);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias", true);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  model.mlp_bias = true;
  model.clamped_gate = {.alpha = config.positive_or("swiglu_alpha", 1.702),
                        .limit = config.positive_or("swiglu_limit", 7)};
  model.routing = Routing{.num_experts = config.size("num_local_experts"),
                          .top_k = config.size("num_experts_per_tok"),
                          .normalise = true,
                          .has_logit_bias = true};
  model.expert_size = model.intermediate_size;
  for (LayerForm& layer : model.layers) layer.intermediate_size = 0, layer.routed = true;
  // The gate has a form of its own; published files repeat other keys under these names.
  config.ignore({"hidden_act", "experts_per_token", "initial_context_length"});
  name_gpt_oss_tensors(model);
}

}  // namespace logitfield::io::families
