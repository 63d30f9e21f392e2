// DeepSeek-V2 and V3: latent attention, routed experts in addition to shared ones.
#include <cmath>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void read_latents(const ConfigSource& config, ModelConfig& model) {
  LatentForm latent;
  latent.query_size = config.has("q_lora_rank") ? config.size("q_lora_rank") : 0;
  latent.key_value_size = config.size("kv_lora_rank");
  latent.shared_key_size = config.size("qk_rope_head_dim");
  model.latent = latent;
  config.ignore({"head_dim", "qk_head_dim"});  // sums and copies of the sizes read here
  model.num_kv_heads = model.num_heads;
  if (config.size_or("num_key_value_heads", model.num_heads) != model.num_heads) {
    config.refuse("num_key_value_heads", "use a model with as many as num_attention_heads");
  }
  model.head_dim = config.size("qk_nope_head_dim") + latent.shared_key_size;
  model.value_dim = config.size("v_head_dim");
  model.names.query = latent.query_size > 0 ? "self_attn.q_b_proj" : "self_attn.q_proj";
  if (latent.query_size > 0) {
    model.names.query_down = "self_attn.q_a_proj";
    model.names.latent_query_norm = "self_attn.q_a_layernorm";
  }
  model.names.key_value_down = "self_attn.kv_a_proj_with_mqa";
  model.names.latent_norm = "self_attn.kv_a_layernorm";
  model.names.key_value_up = "self_attn.kv_b_proj";
}

void read_deepseek_base(const ConfigSource& config, ModelConfig& model) {
  read_sizes(config, model);
  read_latents(config, model);
  set_layers(config, model, 0);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  config.require("attention_bias", false);
  config.require("mlp_bias", false);
  model.tied_embeddings = config.flag("tie_word_embeddings");
  const RotaryConfig rotary =
      read_rotary(config, {.columns = model.latent->shared_key_size, .max_positions = model.max_positions});
  model.rotaries = {rotary.rotary};
  model.rotaries[0].first_column = model.head_dim - model.latent->shared_key_size;
  model.scale = rotary.scale_factor / std::sqrt(static_cast<double>(model.head_dim));
}

}  // namespace

void read_deepseek_experts(const ConfigSource& config, Routing routing, ModelConfig& model) {
  routing.num_experts = config.size("n_routed_experts");
  routing.top_k = config.size("num_experts_per_tok");
  routing.scale = config.positive_or("routed_scaling_factor", 1);
  config.require("moe_layer_freq", 1);
  config.require("ep_size", 1);
  config.ignore({"seq_aux", "aux_loss_alpha"});
  model.extra_layers = config.count_or("num_nextn_predict_layers", 0);
  model.routing = routing;
  model.expert_size = config.size("moe_intermediate_size");
  const std::int64_t first = config.count_or("first_k_dense_replace", 0);
  const std::int64_t shared = config.count_or("n_shared_experts", 0) * model.expert_size;
  for (std::int64_t l = first; l < model.num_layers; ++l) {
    model.layers[l].routed = true;
    model.layers[l].intermediate_size = shared;
  }
  name_shared_expert("mlp.shared_experts", model);
}

void read_corrected_experts(const ConfigSource& config, const GroupDefaults& groups, bool normalise,
                            ModelConfig& model) {
  Routing routing{
      .sigmoid = true, .normalise = config.flag("norm_topk_prob", normalise), .group_scores = 2, .has_bias = true};
  routing.groups = config.size_or("n_group", groups.count);
  routing.top_groups = config.size_or("topk_group", groups.used);
  read_deepseek_experts(config, routing, model);
  model.names.router_bias = "mlp.gate.e_score_correction_bias";
}

void read_deepseek_v2(const ConfigSource& config, ModelConfig& model) {
  read_deepseek_base(config, model);
  model.rotaries[0].pairs = RotaryPairs::neighbours;
  Routing routing;
  const std::string method = config.text_or("topk_method", "greedy");
  if (method != "greedy" && method != "group_limited_greedy") {
    config.refuse("topk_method", "use greedy or group_limited_greedy");
  }
  config.ignore({"n_group", "topk_group"});
  if (method == "group_limited_greedy") {
    routing.groups = config.size("n_group");
    routing.top_groups = config.size("topk_group");
  }
  config.require("scoring_func", "softmax");
  config.require("norm_topk_prob", false);
  read_deepseek_experts(config, routing, model);
}

void read_deepseek_v3(const ConfigSource& config, ModelConfig& model) {
  read_deepseek_base(config, model);
  model.rotaries[0].pairs =
      config.flag("rope_interleave", true) ? RotaryPairs::neighbours_to_halves : RotaryPairs::halves;
  config.require("topk_method", "noaux_tc");
  config.require("scoring_func", "sigmoid");
  read_corrected_experts(config, {.count = 8, .used = 4}, true, model);
}

}  // namespace logitfield::io::families
