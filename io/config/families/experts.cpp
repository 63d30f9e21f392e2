// Mixtral and Qwen3-MoE: routed experts in place of the network.
#include <algorithm>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {

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
  model.expert_size = model.intermediate_size;
  for (LayerForm& layer : model.layers) layer.intermediate_size = 0, layer.routed = true;
  model.names.router = "block_sparse_moe.gate";
  model.names.expert_gate = "block_sparse_moe.experts.{}.w1";
  model.names.expert_up = "block_sparse_moe.experts.{}.w3";
  model.names.expert_down = "block_sparse_moe.experts.{}.w2";
}

void read_qwen3_moe(const ConfigSource& config, ModelConfig& model) {
  read_qwen3(config, model);
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
    model.layers[l].intermediate_size = 0;
  }
}

}  // namespace logitfield::io::families
