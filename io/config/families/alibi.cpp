// BLOOM, MPT and Falcon: fused projections; ALiBi, or rotation (Falcon).
#include <limits>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {

void read_bloom(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size(config.has("n_layer") ? "n_layer" : "num_hidden_layers");
  model.hidden_size = config.size(name_of_either(config, "hidden_size", "n_embed"));
  model.num_heads = config.size(config.has("n_head") ? "n_head" : "num_attention_heads");
  config.ignore({"num_attention_heads", "n_inner", "offset_alibi", "slow_but_exact", "masked_softmax_fusion",
                 "bias_dropout_fusion", "attention_softmax_in_fp32", "skip_bias_add", "skip_bias_add_qkv",
                 "unk_token_id"});
  model.intermediate_size = 4 * model.hidden_size;
  model.vocab_size = config.size("vocab_size");
  // ALiBi has no last position, and the length of the training texts is not a limit.
  config.ignore({"seq_length"});
  model.max_positions = std::numeric_limits<std::int32_t>::max();
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
  set_layer_norm(config, "layer_norm_epsilon", model);
  config.require("apply_residual_connection_post_layernorm", false);
  model.activation = Activation::gelu_tanh;
  model.alibi_slopes = alibi_slopes(model.num_heads);
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  set_plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", model);
  TensorNames& n = model.names;
  n.base = "transformer.";
  n.embedding = "transformer.word_embeddings";
  n.embedding_norm = "transformer.word_embeddings_layernorm";
  n.final_norm = "transformer.ln_f";
  n.layer = "transformer.h.{}.";
  n.heads = HeadLayout::grouped;
  n.query = "self_attention.query_key_value";
  n.attention_output = "self_attention.dense";
}

void read_mpt(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("n_layers");
  model.hidden_size = config.size("d_model");
  model.num_heads = config.size("n_heads");
  config.require("expansion_ratio", 4);
  model.intermediate_size = 4 * model.hidden_size;
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("max_seq_len");
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
  const ConfigSource attention =
      config.has("attn_config") ? config.object("attn_config") : ConfigSource(config.path(), nlohmann::json::object());
  attention.require("attn_type", "multihead_attention");
  attention.require("alibi", true);
  attention.require("qk_ln", false);
  attention.require("prefix_lm", false);
  attention.require("attn_uses_sequence_id", false);
  attention.ignore({"attn_impl", "model_type", "attn_pdrop"});
  if (attention.has("clip_qkv")) model.clip_qkv = attention.positive_or("clip_qkv", 0);
  model.scale = attention.positive_or("softmax_scale", model.scale);
  model.alibi_slopes = alibi_slopes(model.num_heads);
  attention.require("alibi_bias_max", 8);  // transformers ignores other values: there is no reference for them
  attention.refuse_unread();
  set_layer_norm(config, "layer_norm_epsilon", model);
  model.norm.has_bias = false;
  config.require("no_bias", true);
  config.require("logit_scale", nullptr);
  config.ignore({"norm_type", "learned_pos_emb", "embedding_fraction", "verbose", "use_embedding_layernorm",
                 "init_device", "init_config"});
  model.activation = Activation::gelu;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  set_plain_mlp("ffn.up_proj", "ffn.down_proj", model);
  TensorNames& n = model.names;
  n.base = "transformer.";
  n.embedding = "transformer.wte";
  n.final_norm = "transformer.norm_f";
  n.layer = "transformer.blocks.{}.";
  n.attention_norm = "norm_1";
  n.mlp_norm = "norm_2";
  n.heads = HeadLayout::stacked;
  n.query = "attn.Wqkv";
  n.attention_output = "attn.out_proj";
}

void read_falcon(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size(config.has("num_hidden_layers") ? "num_hidden_layers" : "n_layer");
  model.hidden_size = config.size(name_of_either(config, "hidden_size", "n_embed"));
  model.num_heads = config.size(config.has("num_attention_heads") ? "num_attention_heads" : "n_head");
  model.intermediate_size = config.size_or("ffn_hidden_size", 4 * model.hidden_size);
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size_or("max_position_embeddings", 2048);
  const bool grouped = config.flag("new_decoder_architecture"), one = config.flag("multi_query", true);
  config.ignore({"num_kv_heads", "n_head_kv"});
  const char* kv_key = config.has("num_kv_heads") ? "num_kv_heads" : "n_head_kv";
  set_heads(config, grouped ? config.size_or(kv_key, model.num_heads) : one ? 1 : model.num_heads, model);
  set_layers(config, model, -1);
  set_layer_norm(config, "layer_norm_epsilon", model);
  set_activation(config, "activation", "gelu", model);
  const bool alibi = config.flag("alibi");
  if (alibi) {
    // Scaled together with q.k.
    model.alibi_slopes = alibi_slopes(model.num_heads);
    for (double& slope : model.alibi_slopes) slope *= model.scale;
    config.ignore({"rope_theta", "rope_scaling", "rope_parameters"});
  } else {
    set_rotary(config, model);
  }
  const bool parallel = config.flag("parallel_attn", true);
  if (grouped && !parallel) config.refuse("parallel_attn", "set it with new_decoder_architecture");
  model.parallel = parallel;
  const bool two_norms = grouped && config.size_or("num_ln_in_parallel_attn", 2) == 2;
  config.require("apply_residual_connection_post_layernorm", false);
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = config.flag("bias");
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  set_plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", model);
  TensorNames& n = model.names;
  n.base = "transformer.";
  n.embedding = "transformer.word_embeddings";
  n.final_norm = "transformer.ln_f";
  n.layer = "transformer.h.{}.";
  if (two_norms) {
    n.attention_norm = "ln_attn";
    n.mlp_norm = "ln_mlp";
  } else if (parallel) {
    n.mlp_norm = n.attention_norm;
  }
  n.heads = HeadLayout::grouped;
  n.query = "self_attention.query_key_value";
  n.attention_output = "self_attention.dense";
}

}  // namespace logitfield::io::families
