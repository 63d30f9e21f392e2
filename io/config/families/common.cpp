#include <bit>
#include <cmath>
#include <map>

#include "io/config/families/families.hpp"
#include "io/error.hpp"

namespace logitfield::io::families {

void read_checked(const ConfigSource& config, Reader reader, ModelConfig& model) {
  config.require("is_causal", true);
  config.require("per_layer_config", nullptr);
  reader(config, model);
  if (!config.asked("layer_types")) require_full_attention(config, model);
}

void read_inner(const ConfigSource& config, Reader reader, ModelConfig& model) {
  read_checked(config, reader, model);
  model.unknown_keys = config.unknown_keys();
}

void set_heads(const ConfigSource& config, std::int64_t num_kv_heads, ModelConfig& model) {
  constexpr std::int64_t kMostHeads = 100'000, kLargestHead = 1'000'000;  // allocated per head, before weights
  model.num_kv_heads = num_kv_heads;
  if (model.num_heads > kMostHeads) {
    throw InputError("{}: {} query heads (num_attention_heads) are more than {}; correct it", config.path(),
                     model.num_heads, kMostHeads);
  }
  if (model.num_heads % num_kv_heads != 0) {
    throw InputError(
        "{}: {} query heads (num_attention_heads) are not divisible by {} KV heads (num_key_value_heads); correct them",
        config.path(), model.num_heads, num_kv_heads);
  }
  if (!config.has("head_dim") && model.hidden_size % model.num_heads != 0) {
    throw InputError(
        "{}: \"hidden_size\" {} is not divisible by \"num_attention_heads\" {}; correct it or add \"head_dim\"",
        config.path(), model.hidden_size, model.num_heads);
  }
  model.head_dim = config.size_or("head_dim", std::max<std::int64_t>(1, model.hidden_size / model.num_heads));
  if (model.head_dim > kLargestHead) {
    throw InputError("{}: heads of dimension {} (head_dim) are larger than {}; correct it", config.path(),
                     model.head_dim, kLargestHead);
  }
  model.value_dim = model.head_dim;
  model.scale = 1 / std::sqrt(static_cast<double>(model.head_dim));
}

void read_sizes(const ConfigSource& config, ModelConfig& model) {
  model.num_layers = config.size("num_hidden_layers");
  model.hidden_size = config.size("hidden_size");
  model.intermediate_size = config.size("intermediate_size");
  model.num_heads = config.size("num_attention_heads");
  model.vocab_size = config.size("vocab_size");
  model.max_positions = config.size("max_position_embeddings");
}

void read_common_sizes(const ConfigSource& config, ModelConfig& model) {
  read_sizes(config, model);
  set_heads(config, config.size_or("num_key_value_heads", model.num_heads), model);
  set_layers(config, model, -1);
}

void set_layers(const ConfigSource& config, ModelConfig& model, int rotary) {
  constexpr std::int64_t kMostLayers = 100'000;  // no model has as many; memory is allocated per layer
  if (model.num_layers > kMostLayers) {
    throw InputError("{}: {} layers (num_hidden_layers) are more than {}; correct it", config.path(), model.num_layers,
                     kMostLayers);
  }
  model.layers.assign(model.num_layers, {.rotary = rotary, .intermediate_size = model.intermediate_size});
}

void read_llama_base(const ConfigSource& config, ModelConfig& model) {
  read_common_sizes(config, model);
  set_rms_norm(config, model);
  set_activation(config, "hidden_act", "silu", model);
  set_rotary(config, model);
  model.tied_embeddings = config.flag("tie_word_embeddings");
}

void set_rotary(const ConfigSource& config, ModelConfig& model, std::optional<double> partial_factor, double theta) {
  model.rotaries = {read_rotary(config, {.columns = model.head_dim,
                                         .theta = theta,
                                         .partial_factor = partial_factor,
                                         .max_positions = model.max_positions})
                        .rotary};
  for (LayerForm& layer : model.layers) layer.rotary = 0;
}

void set_rotaries_by_window(const ConfigSource& config, const RotaryDefaults& full, const RotaryDefaults& sliding,
                            ModelConfig& model) {
  if (config.has("rope_parameters") && config.object("rope_parameters").has("sliding_attention")) {
    config.require("rope_scaling", nullptr);
    const ConfigSource by_type = config.object("rope_parameters");
    model.rotaries = {rotary_from(config, by_type.object("full_attention"), full).rotary,
                      rotary_from(config, by_type.object("sliding_attention"), sliding).rotary};
  } else {
    const ConfigSource none(config.path(), nlohmann::json::object());
    model.rotaries = {read_rotary(config, full).rotary, rotary_from(config, none, sliding).rotary};
  }
  for (LayerForm& layer : model.layers) layer.rotary = layer.window ? 1 : 0;
}

void set_rms_norm(const ConfigSource& config, ModelConfig& model, double epsilon) {
  model.norm = {.epsilon = config.positive_or("rms_norm_eps", epsilon)};
  model.head_norm = model.norm;
}

void set_layer_norm(const ConfigSource& config, const char* key, ModelConfig& model) {
  model.norm = {.centred = true, .epsilon = config.positive_or(key, 1e-5), .has_bias = true};
}

void set_activation(const ConfigSource& config, const char* key, const char* fallback, ModelConfig& model) {
  static const std::map<std::string, Activation> known = {
      {"silu", Activation::silu},           {"swish", Activation::silu},
      {"gelu", Activation::gelu},           {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh}, {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"relu", Activation::relu},           {"relu2", Activation::relu_squared}};
  const auto found = known.find(config.text_or(key, fallback));
  if (found == known.end())
    config.refuse(key, "use a model with silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2");
  model.activation = found->second;
}

bool is_sliding(const ConfigSource& config, std::int64_t layer, bool otherwise) {
  if (!config.has("layer_types")) return otherwise;
  const std::vector<std::string> types = config.texts("layer_types");
  if (layer >= std::ssize(types)) config.refuse("layer_types", "give one entry per layer");
  const std::string& type = types[static_cast<std::size_t>(layer)];
  if (type != "full_attention" && type != "sliding_attention") {
    throw InputError(
        "{}: \"layer_types\" names layer {} \"{}\", which is not implemented; use a model whose layers are "
        "full_attention or sliding_attention",
        config.path(), layer, type);
  }
  return type == "sliding_attention";
}

void require_full_attention(const ConfigSource& config, const ModelConfig& model) {
  for (std::int64_t layer = 0; layer < model.num_layers; ++layer) {
    if (!is_sliding(config, layer, false)) continue;
    throw InputError("{}: \"layer_types\" names layer {} sliding_attention, which this model type lacks; correct it",
                     config.path(), layer);
  }
}

const char* name_of_either(const ConfigSource& config, const char* older, const char* newer) {
  if (config.has(older) && config.has(newer) && config.at(older) != config.at(newer)) {
    throw InputError("{}: \"{}\" is {}, but \"{}\", another name of it, is {}; make them equal", config.path(), older,
                     config.at(older).dump(), newer, config.at(newer).dump());
  }
  return config.has(older) ? older : newer;
}

void set_names_prefix(const std::string& base, ModelConfig& model) {
  TensorNames& n = model.names;
  for (std::string* name : {&n.embedding, &n.final_norm, &n.layer}) name->replace(0, n.base.size(), base);
  n.base = base;
}

void set_head_norms(ModelConfig& model) {
  model.names.query_norm = "self_attn.q_norm";
  model.names.key_norm = "self_attn.k_norm";
}

void set_norms_of_outputs(ModelConfig& model) {
  model.names.attention_norm.clear();
  model.names.attention_output_norm = "post_attention_layernorm";
  model.names.mlp_norm.clear();
  model.names.mlp_output_norm = "post_feedforward_layernorm";
}

void name_shared_expert(const std::string& module, ModelConfig& model) {
  model.names.shared_gate = module + ".gate_proj";
  model.names.shared_up = module + ".up_proj";
  model.names.shared_down = module + ".down_proj";
}

void set_plain_mlp(std::string up, std::string down, ModelConfig& model) {
  model.gated = false;
  model.names.gate.clear();
  model.names.up = std::move(up);
  model.names.down = std::move(down);
}

std::vector<double> alibi_slopes(std::int64_t num_heads) {
  const auto count = static_cast<std::size_t>(num_heads), power = std::bit_floor(count);
  const auto slope = [&](std::size_t k, std::size_t n) {
    return std::exp2(-8 * static_cast<double>(k) / static_cast<double>(n));
  };
  std::vector<double> out;
  for (std::size_t k = 1; k <= power; ++k) out.push_back(slope(k, power));
  for (std::size_t k = 1; out.size() < count; k += 2) out.push_back(slope(k, 2 * power));
  return out;
}

}  // namespace logitfield::io::families
