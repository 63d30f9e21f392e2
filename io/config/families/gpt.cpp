// GPT-2, GPT-J, CodeGen, GPT-Neo, GPT-NeoX (Pythia), OPT and XGLM.
#include <cmath>

#include "io/config/families/families.hpp"

namespace logitfield::io::families {
namespace {

void name_transformer(ModelConfig& model) {
  TensorNames& n = model.names;
  n.base = "transformer.";
  n.embedding = "transformer.wte";
  n.final_norm = "transformer.ln_f";
  n.layer = "transformer.h.{}.";
  n.attention_norm = "ln_1";
  n.mlp_norm = "ln_2";
  n.derived = {".attn.bias", ".attn.masked_bias", ".attn.attention.bias", ".attn.attention.masked_bias"};
}

/// Reads the sizes under the names of GPT-2 and GPT-J.
void read_gpt_sizes(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("n_layer");
  model.hidden_size = config.size("n_embd");
  model.num_heads = config.size("n_head");
  model.intermediate_size = config.size_or("n_inner", 4 * model.hidden_size);
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("n_positions");
  config.ignore({"n_ctx"});
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
}

}  // namespace

void read_gpt2(const ConfigSource& config, ModelConfig& model) {
  read_gpt_sizes(config, model);
  set_layer_norm(config, "layer_norm_epsilon", model);
  set_activation(config, "activation_function", "gelu_new", model);
  config.require("add_cross_attention", false);
  config.ignore({"reorder_and_upcast_attn"});  // here everything is float32
  if (!config.flag("scale_attn_weights", true)) model.scale = 1;
  if (config.flag("scale_attn_by_inverse_layer_idx")) {
    for (std::int64_t l = 0; l < model.num_layers; ++l) model.layers[l].query_scale = 1 / static_cast<double>(l + 1);
  }
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  name_transformer(model);
  set_plain_mlp("mlp.c_fc", "mlp.c_proj", model);
  model.names.position_embedding = "transformer.wpe";
  model.names.heads = HeadLayout::stacked;
  model.names.query = "attn.c_attn";
  model.names.attention_output = "attn.c_proj";
  model.names.transposed = true;
}

void read_gptj(const ConfigSource& config, ModelConfig& model) {
  read_gpt_sizes(config, model);
  set_layer_norm(config, "layer_norm_epsilon", model);
  set_activation(config, "activation_function", "gelu_new", model);
  config.require("rotary", true);
  config.ignore({"scale_attn_weights"});  // always scaled
  const std::int64_t columns = config.size_or("rotary_dim", 64);
  model.rotaries = {read_rotary(config, {.columns = columns, .max_positions = model.max_positions}).rotary};
  model.rotaries[0].pairs = RotaryPairs::neighbours;
  set_layers(config, model, 0);
  model.parallel = true;
  model.mlp_bias = model.output_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings");
  name_transformer(model);
  set_plain_mlp("mlp.fc_in", "mlp.fc_out", model);
  model.names.mlp_norm = model.names.attention_norm;
  model.names.query = "attn.q_proj";
  model.names.key = "attn.k_proj";
  model.names.value = "attn.v_proj";
  model.names.attention_output = "attn.out_proj";
}

void read_codegen(const ConfigSource& config, ModelConfig& model) {
  read_gptj(config, model);
  if (model.num_heads % 4 != 0) config.refuse("n_head", "use a model whose heads form four equal parts");
  model.names.heads = HeadLayout::quarters;
  model.names.query = "attn.qkv_proj";
  model.names.derived.push_back(".attn.causal_mask");
}

void read_gpt_neo(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("num_layers");
  model.hidden_size = config.size("hidden_size");
  model.num_heads = config.size("num_heads");
  model.intermediate_size = config.size_or("intermediate_size", 4 * model.hidden_size);
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("max_position_embeddings");
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
  model.scale = 1;
  const std::int64_t window = config.size_or("window_size", 256);
  const std::vector<std::string> kinds = config.texts("attention_layers");
  config.ignore({"attention_types"});  // run-length code of attention_layers
  if (std::ssize(kinds) != model.num_layers) config.refuse("attention_layers", "give one entry per layer");
  for (std::int64_t l = 0; l < model.num_layers; ++l) {
    if (kinds[l] != "global" && kinds[l] != "local") config.refuse("attention_layers", "use global and local");
    if (kinds[l] == "local") model.layers[l].window = window;
  }
  set_layer_norm(config, "layer_norm_epsilon", model);
  set_activation(config, "activation_function", "gelu_new", model);
  model.attention_output_bias = model.mlp_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  name_transformer(model);
  set_plain_mlp("mlp.c_fc", "mlp.c_proj", model);
  model.names.position_embedding = "transformer.wpe";
  model.names.query = "attn.attention.q_proj";
  model.names.key = "attn.attention.k_proj";
  model.names.value = "attn.attention.v_proj";
  model.names.attention_output = "attn.attention.out_proj";
}

void read_gpt_neox(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_layer_norm(config, "layer_norm_eps", model);
  set_activation(config, "hidden_act", "gelu", model);
  config.ignore({"rms_norm_eps"});  // read by a class of transformers that nothing uses
  model.rotaries = {read_rotary(config, {.columns = model.head_dim,
                                         .partial_factor = 0.25,
                                         .max_positions = model.max_positions,
                                         .theta_key = name_of_either(config, "rotary_emb_base", "rope_theta"),
                                         .factor_key = name_of_either(config, "rotary_pct", "partial_rotary_factor")})
                        .rotary};
  set_layers(config, model, 0);
  model.parallel = config.flag("use_parallel_residual", true);
  model.query_key_value_bias = model.attention_output_bias = config.flag("attention_bias", true);
  model.mlp_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings");
  set_plain_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", model);
  TensorNames& n = model.names;
  n.base = "gpt_neox.";
  n.embedding = "gpt_neox.embed_in";
  n.final_norm = "gpt_neox.final_layer_norm";
  n.output = "embed_out";
  n.layer = "gpt_neox.layers.{}.";
  n.heads = HeadLayout::grouped;
  n.query = "attention.query_key_value";
  n.attention_output = "attention.dense";
  n.derived = {"rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias"};
}

void read_opt(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("num_hidden_layers");
  model.hidden_size = config.size("hidden_size");
  model.num_heads = config.size("num_attention_heads");
  model.intermediate_size = config.size("ffn_dim");
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("max_position_embeddings");
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
  model.norm = {.centred = true, .epsilon = 1e-5, .has_bias = true};
  if (!config.flag("layer_norm_elementwise_affine", true)) model.norm.has_gain = model.norm.has_bias = false;
  set_activation(config, "activation_function", "relu", model);
  const bool bias = config.flag("enable_bias", true);
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = bias;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  model.embedding_size = config.size_or("word_embed_proj_dim", model.hidden_size);
  model.position_offset = 2;
  set_plain_mlp("fc1", "fc2", model);
  TensorNames& n = model.names;
  n.embedding = "model.decoder.embed_tokens";
  n.position_embedding = "model.decoder.embed_positions";
  n.layer = "model.decoder.layers.{}.";
  n.attention_norm = "self_attn_layer_norm";
  n.mlp_norm = "final_layer_norm";
  n.attention_output = "self_attn.out_proj";
  if (model.embedding_size != model.hidden_size) {
    n.embedding_in = "model.decoder.project_in";
    n.embedding_out = "model.decoder.project_out";
  }
  const bool before = config.flag("do_layer_norm_before", true), removed = config.flag("_remove_final_layer_norm");
  n.final_norm = before && !removed ? "model.decoder.final_layer_norm" : "";
  if (!before) {
    std::swap(n.attention_norm, n.attention_residual_norm);
    std::swap(n.mlp_norm, n.mlp_residual_norm);
  }
}

void read_xglm(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("num_layers");
  model.hidden_size = config.size("d_model");
  model.num_heads = config.size("attention_heads");
  model.intermediate_size = config.size("ffn_dim");
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("max_position_embeddings");
  set_heads(config, model.num_heads, model);
  set_layers(config, model, -1);
  // Queries are multiplied by the scale before the dot product.
  for (LayerForm& layer : model.layers) layer.query_scale = model.scale;
  model.scale = 1;
  model.norm = {.centred = true, .epsilon = 1e-5, .has_bias = true};
  set_activation(config, "activation_function", "gelu", model);
  config.require("add_cross_attention", false);
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = true;
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  if (config.flag("scale_embedding", true)) model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  if (model.hidden_size < 4) config.refuse("d_model", "use a model with at least 4 columns");
  model.sinusoidal_positions = true;
  model.position_offset = 2;
  // The position with this number is zero.
  if (config.number_or("pad_token_id", 1) >= 2) config.refuse("pad_token_id", "use a model where it is 0 or 1");
  set_plain_mlp("fc1", "fc2", model);
  model.names.final_norm = "model.layer_norm";
  model.names.attention_norm = "self_attn_layer_norm";
  model.names.mlp_norm = "final_layer_norm";
  model.names.attention_output = "self_attn.out_proj";
}

}  // namespace logitfield::io::families
