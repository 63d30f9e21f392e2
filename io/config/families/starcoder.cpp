// GPTBigCode (SantaCoder, StarCoder): GPT-2 with one KV head. StarCoder2: rotation and a plain MLP.
#include "io/config/families/families.hpp"

namespace logitfield::io::families {

void read_gpt_bigcode(const ConfigSource& config, ModelConfig& model) {
  read_gpt2(config, model);
  config.ignore({"attention_softmax_in_fp32", "scale_attention_softmax_in_fp32"});  // here everything is float32
  config.require("scale_attn_by_inverse_layer_idx", false);
  const bool multi_query = config.flag("multi_query", true);
  set_heads(config, multi_query ? 1 : model.num_heads, model);
  if (!config.flag("scale_attn_weights", true)) model.scale = 1;
  model.names.heads = multi_query ? HeadLayout::stacked : HeadLayout::grouped;
  model.names.transposed = false;
}

void read_starcoder2(const ConfigSource& config, ModelConfig& model) {
  config.require_written("num_key_value_heads");
  read_common_sizes(config, model);
  set_layer_norm(config, "norm_epsilon", model);
  set_activation(config, "hidden_act", "gelu_pytorch_tanh", model);
  set_rotary(config, model);
  set_plain_mlp("mlp.c_fc", "mlp.c_proj", model);
  model.query_key_value_bias = model.attention_output_bias = model.mlp_bias = config.flag("use_bias", true);
  model.tied_embeddings = config.flag("tie_word_embeddings", true);
  config.require("norm_type", "layer_norm");
  config.require("mlp_type", "default");
  if (config.has("sliding_window")) {
    set_windows(
        config, config.size("sliding_window"), [](std::int64_t) { return true; }, model);
  }
}

}  // namespace logitfield::io::families
