#include "io/checkpoint/gguf_layout.hpp"

#include <algorithm>

#include "io/gguf/gguf_config.hpp"

namespace logitfield::io {
namespace {

/// Renames a part, if the family has it.
void rename(std::string& name, const char* own) {
  if (!name.empty()) name = own;
}

void name_norms(const GgufModel& model, TensorNames& n) {
  const bool one_for_both = n.mlp_norm == n.attention_norm;
  rename(n.attention_norm, "attn_norm");
  rename(n.mlp_norm, one_for_both ? "attn_norm" : "ffn_norm");
  if (model.has("blk.0.attn_norm_2.weight")) {
    // Falcon: the second norm is that of attention.
    n.attention_norm = "attn_norm_2";
    n.mlp_norm = "attn_norm";
  }
  rename(n.attention_output_norm, "post_attention_norm");
  rename(n.mlp_output_norm, "post_ffw_norm");
  const bool by_head = n.query_norm.ends_with("{}");
  rename(n.query_norm, by_head ? "attn_q_norm[{}]" : "attn_q_norm");
  rename(n.key_norm, by_head ? "attn_k_norm[{}]" : "attn_k_norm");
}

/// llama.cpp's converter sorts the rows of grouped heads: all queries, all keys, all values.
void name_heads(const GgufModel& model, TensorNames& n) {
  const bool is_one = model.has("blk.0.attn_qkv.weight");
  n.heads = is_one ? HeadLayout::stacked : HeadLayout::separate;
  n.query = is_one ? "attn_qkv" : "attn_q";
  n.key = "attn_k";
  n.value = "attn_v";
  n.attention_output = "attn_output";
}

/// Latent attention: the names of attn_kv_b also stand for its two halves (open_gguf_weight).
void name_latents(TensorNames& n) {
  if (!n.query_down.empty()) n.query = "attn_q_b";
  rename(n.query_down, "attn_q_a");
  rename(n.latent_query_norm, "attn_q_a_norm");
  rename(n.key_value_down, "attn_kv_a_mqa");
  rename(n.latent_norm, "attn_kv_a_norm");
  rename(n.key_value_up, "attn_kv_b");
}

void name_experts(const GgufModel& model, TensorNames& n) {
  n.router = "ffn_gate_inp";
  rename(n.router_bias, "exp_probs_b.bias");
  // Older files have a tensor for each expert.
  const bool is_stacked = !model.has("blk.0.ffn_gate.0.weight");
  n.expert_gate = is_stacked ? "ffn_gate_exps[{}]" : "ffn_gate.{}";
  n.expert_up = is_stacked ? "ffn_up_exps[{}]" : "ffn_up.{}";
  n.expert_down = is_stacked ? "ffn_down_exps[{}]" : "ffn_down.{}";
  rename(n.shared_gate, "ffn_gate_shexp");
  rename(n.shared_up, "ffn_up_shexp");
  rename(n.shared_down, "ffn_down_shexp");
  rename(n.shared_router, "ffn_gate_inp_shexp");
}

TensorNames gguf_names(const GgufModel& model, TensorNames n) {
  n.base.clear();
  n.layer = "blk.{}.";
  n.embedding = "token_embd";
  n.output = "output";
  rename(n.final_norm, "output_norm");
  rename(n.position_embedding, "position_embd");
  rename(n.embedding_norm, "token_embd_norm");
  name_norms(model, n);
  name_heads(model, n);
  name_latents(n);
  name_experts(model, n);
  rename(n.gate, "ffn_gate");
  n.up = "ffn_up";
  n.down = "ffn_down";
  n.transposed = false;
  n.derived.clear();
  return n;
}

/// The converter interleaves the halves of each head. The rotation puts them back; in layers without one, a rotation by
/// no angle does.
void put_heads_back(ModelConfig& config) {
  const auto is_still = [](const LayerForm& layer) { return layer.rotary < 0; };
  if (std::ranges::any_of(config.layers, is_still)) {
    const std::vector<double> no_angles(static_cast<std::size_t>(config.head_dim / 2), 0.0);
    for (LayerForm& layer : config.layers) {
      if (is_still(layer)) layer.rotary = static_cast<int>(config.rotaries.size());
    }
    config.rotaries.push_back({.frequencies = no_angles});
  }
  for (Rotary& rotary : config.rotaries) rotary.pairs = RotaryPairs::neighbours_to_halves;
}

}  // namespace

ModelConfig gguf_model_config(const GgufModel& model) {
  ModelConfig config = model_config_from(config_of_gguf(model), model.path().string());
  config.names = gguf_names(model, config.names);
  // The converter adds the offset to the gains.
  config.norm.gain_offset = config.head_norm.gain_offset = 0;
  if (interleaves_heads(model.architecture())) put_heads_back(config);
  if (config.latent && !model.metadata().contains(model.architecture() + ".expert_group_count")) {
    config.remarks.push_back(
        "the file does not say whether experts are chosen by groups: any may be chosen, as in llama.cpp");
  }
  return config;
}

}  // namespace logitfield::io
