#include "io/gguf/deepseek_config.hpp"

#include "io/error.hpp"
#include "io/gguf/gguf_rotation.hpp"

namespace logitfield::io {
namespace {

/// Sizes of latent attention. Newer files give those of whole heads under names of their own, and under the older names
/// those of the heads that llama.cpp computes with.
void describe_latents(GgufDescription& d) {
  const auto head_size = [&](const std::string& key) {
    return d.keys.integer(d.keys.has(key + "_mla") ? key + "_mla" : key);
  };
  const std::int64_t rotated = d.keys.integer("rope.dimension_count");
  d.keys.copy_sizes(d.config,
                    {{"kv_lora_rank", "attention.kv_lora_rank"}, {"qk_rope_head_dim", "rope.dimension_count"}});
  d.config["qk_nope_head_dim"] = head_size("attention.key_length") - rotated;
  d.config["v_head_dim"] = head_size("attention.value_length");
  if (d.keys.integer_or("attention.q_lora_rank", 0) > 0) {
    d.keys.copy(d.config, {{"q_lora_rank", "attention.q_lora_rank"}});
  }
  d.keys.ignore({"attention.head_count_kv", "attention.key_length"});  // 1 where llama.cpp joins the heads
}

/// DeepSeek-V2's router takes a softmax, V3's and Kimi's sigmoids. Files of V2 may not say.
void describe_deepseek_router(GgufDescription& d) {
  constexpr std::int64_t kUnsaid = 0, kSoftmax = 1, kSigmoid = 2;
  const std::int64_t function = d.keys.integer_or("expert_gating_func", kUnsaid);
  if (function != kUnsaid && function != kSoftmax && function != kSigmoid) {
    throw InputError(
        "{}: \"{}.expert_gating_func\" is {}, which is not implemented; use a model with 1 (softmax) or 2 "
        "(sigmoid)",
        d.model.path().string(), d.model.architecture(), function);
  }
  const std::int64_t groups = d.keys.integer_or("expert_group_count", 1);
  d.config["n_group"] = groups;
  d.config["topk_group"] = d.keys.integer_or("expert_group_used_count", groups);
  d.config["norm_topk_prob"] = d.keys.flag_or("expert_weights_norm", false);
  if (function == kSigmoid) {
    d.config["model_type"] = "deepseek_v3";
  } else {
    d.config["topk_method"] = groups > 1 ? "group_limited_greedy" : "greedy";
  }
}

}  // namespace

void describe_deepseek2(GgufDescription& d) {
  d.keys.copy_sizes(d.config, {{"num_hidden_layers", "block_count"},
                               {"hidden_size", "embedding_length"},
                               {"num_attention_heads", "attention.head_count"},
                               {"max_position_embeddings", "context_length"},
                               {"intermediate_size", "feed_forward_length"},
                               {"moe_intermediate_size", "expert_feed_forward_length"},
                               {"n_routed_experts", "expert_count"},
                               {"num_experts_per_tok", "expert_used_count"}});
  d.keys.copy(d.config, {{"rms_norm_eps", "attention.layer_norm_rms_epsilon"},
                         {"first_k_dense_replace", "leading_dense_block_count"},
                         {"n_shared_experts", "expert_shared_count"}});
  // Files of models without a factor may say 0.
  const double scale = d.keys.number_or("expert_weights_scale", 0);
  d.config["routed_scaling_factor"] = scale == 0 ? 1 : scale;
  describe_latents(d);
  describe_latent_rotation(d.model, d.keys, d.config);
  describe_deepseek_router(d);
}

}  // namespace logitfield::io
