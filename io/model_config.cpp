#include "io/model_config.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

/// Sizes up to 2^31 - 1 keep every product of two within 64 bits.
constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

/// Keys that change nothing here, or that this file reads, for every model_type.
const std::set<std::string> kCommonKeys = {"_attn_implementation_autoset",
                                           "_name_or_path",
                                           "architectures",
                                           "attention_dropout",
                                           "auto_map",
                                           "bos_token_id",
                                           "dtype",
                                           "eos_token_id",
                                           "head_dim",
                                           "hidden_act",
                                           "hidden_size",
                                           "initializer_range",
                                           "intermediate_size",
                                           "layer_types",
                                           "max_position_embeddings",
                                           "model_type",
                                           "num_attention_heads",
                                           "num_hidden_layers",
                                           "num_key_value_heads",
                                           "pad_token_id",
                                           "partial_rotary_factor",
                                           "pretraining_tp",
                                           "rms_norm_eps",
                                           "rope_parameters",
                                           "rope_scaling",
                                           "rope_theta",
                                           "tie_word_embeddings",
                                           "torch_dtype",
                                           "transformers_version",
                                           "use_cache",
                                           "vocab_size"};
const std::set<std::string> kLlamaKeys = {"attention_bias", "mlp_bias"};
const std::set<std::string> kMistralKeys = {"sliding_window"};
const std::set<std::string> kQwen2Keys = {"max_window_layers", "sliding_window", "use_sliding_window"};

/// Keys that name arithmetic which is not implemented, whatever their value.
constexpr std::array kRefusedKeys = {
    "attention_multiplier", "attn_logit_softcapping", "embedding_multiplier",  "final_logit_softcapping",
    "logit_scale",          "logits_scaling",         "num_experts",           "num_local_experts",
    "n_routed_experts",     "quantization_config",    "query_pre_attn_scalar", "residual_multiplier"};

/// config.json, or an object inside it, with its name for messages.
struct Source {
  std::string path;
  json config;

  bool has(const char* key) const { return config.contains(key) && !config.at(key).is_null(); }

  [[noreturn]] void refuse(const std::string& key, const json& value, const char* remedy) const {
    throw InputError("{}: \"{}\" is {}, which is not implemented; {}", path, key, excerpt(value), remedy);
  }

  std::int64_t checked_size(const char* key, std::int64_t value) const {
    if (value < 1 || value > kMaxSize) {
      throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; correct it", path, key, value, kMaxSize);
    }
    return value;
  }
  std::int64_t size(const char* key) const { return checked_size(key, required<std::int64_t>(config, key, path)); }
  std::int64_t size_or(const char* key, std::int64_t fallback) const {
    return checked_size(key, optional_or(config, key, fallback, path));
  }

  bool flag(const char* key) const { return optional_or(config, key, false, path); }

  double positive_or(const char* key, double fallback) const {
    const double value = optional_or(config, key, fallback, path);
    if (!(value > 0)) throw InputError("{}: \"{}\" is {}, but must be positive; correct it", path, key, value);
    return value;
  }

  /// A key whose default differs between the model types: it may be null, but must be written.
  void require_written(const char* key) const {
    if (!config.contains(key)) throw InputError("{}: \"{}\" is missing; add it (null if there is none)", path, key);
  }
};

void refuse_other_arithmetic(const Source& source) {
  for (const char* key : kRefusedKeys) {
    if (source.has(key)) source.refuse(key, source.config.at(key), "use a model without it (unquantized, dense)");
  }
  const auto activation = optional_or<std::string>(source.config, "hidden_act", "silu", source.path);
  if (activation != "silu" && activation != "swish") source.refuse("hidden_act", activation, "use a model with silu");
}

void check_rotary_factor(const Source& source) {
  const double factor = optional_or(source.config, "partial_rotary_factor", 1.0, source.path);
  if (factor != 1) source.refuse("partial_rotary_factor", factor, "use a model that rotates whole heads");
}

void check_layer_types(const Source& source) {
  if (!source.has("layer_types")) return;
  const json& types = source.config.at("layer_types");
  const auto is_full = [](const json& type) { return type == "full_attention"; };
  if (!types.is_array()) source.refuse("layer_types", types, "give a list");
  const auto other = std::find_if_not(types.begin(), types.end(), is_full);
  if (other != types.end()) source.refuse("layer_types", *other, "use a model whose layers are all full_attention");
}

/// The base of the plain rotation, from the top level or from rope_scaling, which newer files call rope_parameters.
double rope_theta(const Source& source) {
  double theta = source.positive_or("rope_theta", 10000);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!source.has(key)) continue;
    const Source rope{source.path + ": " + key, source.config.at(key)};
    const auto type = optional_or<std::string>(rope.config, "type", "", rope.path);
    const auto rope_type = optional_or(rope.config, "rope_type", type, rope.path);
    if (rope_type != "default") rope.refuse("rope_type", rope_type, "use a model with the default rotation");
    check_rotary_factor(rope);
    const double own = rope.positive_or("rope_theta", theta);
    if (source.has("rope_theta") && own != theta) {
      throw InputError("{}: \"rope_theta\" is {}, but {} inside \"{}\"; make them equal", source.path, theta, own, key);
    }
    theta = own;
  }
  check_rotary_factor(source);
  return theta;
}

std::int64_t head_dim(const Source& source, const ModelConfig& config) {
  if (!source.has("head_dim") && config.hidden_size % config.num_heads != 0) {
    throw InputError(
        "{}: \"hidden_size\" {} is not divisible by \"num_attention_heads\" {}; correct it or add \"head_dim\"",
        source.path, config.hidden_size, config.num_heads);
  }
  const std::int64_t dim = source.size_or("head_dim", std::max<std::int64_t>(1, config.hidden_size / config.num_heads));
  if (dim % 2 != 0)
    throw InputError("{}: \"head_dim\" {} is odd, but rotation needs pairs; correct it", source.path, dim);
  return dim;
}

void read_sizes(const Source& source, ModelConfig& config) {
  config.num_layers = source.size("num_hidden_layers");
  config.hidden_size = source.size("hidden_size");
  config.intermediate_size = source.size("intermediate_size");
  config.num_heads = source.size("num_attention_heads");
  config.num_kv_heads = source.size_or("num_key_value_heads", config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0) {
    throw InputError("{}: \"num_attention_heads\" {} is not divisible by \"num_key_value_heads\" {}; correct them",
                     source.path, config.num_heads, config.num_kv_heads);
  }
  config.head_dim = head_dim(source, config);
  config.vocab_size = source.size("vocab_size");
  config.max_positions = source.size("max_position_embeddings");
}

void list_unknown_keys(const Source& source, const std::set<std::string>& own_keys, ModelConfig& config) {
  for (const auto& [key, value] : source.config.items()) {
    const bool refused_but_null = std::find(kRefusedKeys.begin(), kRefusedKeys.end(), key) != kRefusedKeys.end();
    if (!kCommonKeys.contains(key) && !own_keys.contains(key) && !refused_but_null) config.unknown_keys.push_back(key);
  }
}

void read_llama(const Source& source, ModelConfig& config) {
  config.qkv_bias = config.output_bias = source.flag("attention_bias");
  config.mlp_bias = source.flag("mlp_bias");
  list_unknown_keys(source, kLlamaKeys, config);
}

void read_mistral(const Source& source, ModelConfig& config) {
  source.require_written("num_key_value_heads");
  source.require_written("sliding_window");
  if (source.has("sliding_window")) config.sliding_window = source.size("sliding_window");
  list_unknown_keys(source, kMistralKeys, config);
}

void read_qwen2(const Source& source, ModelConfig& config) {
  source.require_written("num_key_value_heads");
  if (source.flag("use_sliding_window")) source.refuse("use_sliding_window", true, "use a model with full attention");
  config.qkv_bias = true;
  list_unknown_keys(source, kQwen2Keys, config);
}

void read_model_type(const Source& source, ModelConfig& config) {
  config.model_type = required<std::string>(source.config, "model_type", source.path);
  if (config.model_type == "llama") return read_llama(source, config);
  if (config.model_type == "mistral") return read_mistral(source, config);
  if (config.model_type == "qwen2") return read_qwen2(source, config);
  source.refuse("model_type", config.model_type, "use a model of type llama, mistral or qwen2, or capture Q and K");
}

std::optional<ExpectedTensor> if_set(bool present, const std::string& name, std::int64_t size) {
  if (!present) return std::nullopt;
  return ExpectedTensor{name, {size}};
}

}  // namespace

ModelConfig read_model_config(const std::filesystem::path& config_json) {
  const Source source{config_json.string(), read_json(config_json)};
  ModelConfig config;
  read_model_type(source, config);
  refuse_other_arithmetic(source);
  check_layer_types(source);
  read_sizes(source, config);
  config.norm_epsilon = source.positive_or("rms_norm_eps", 1e-6);
  config.rope_theta = rope_theta(source);
  config.tied_embeddings = source.flag("tie_word_embeddings");
  return config;
}

LayerTensors layer_tensors(const ModelConfig& config, std::int64_t layer) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const std::string attention = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t inner = config.intermediate_size;
  const std::int64_t query = config.num_heads * config.head_dim;
  const std::int64_t key = config.num_kv_heads * config.head_dim;
  return {.attention_norm = {prefix + "input_layernorm.weight", {hidden}},
          .query = {attention + "q_proj.weight", {query, hidden}},
          .key = {attention + "k_proj.weight", {key, hidden}},
          .value = {attention + "v_proj.weight", {key, hidden}},
          .output = {attention + "o_proj.weight", {hidden, query}},
          .mlp_norm = {prefix + "post_attention_layernorm.weight", {hidden}},
          .gate = {mlp + "gate_proj.weight", {inner, hidden}},
          .up = {mlp + "up_proj.weight", {inner, hidden}},
          .down = {mlp + "down_proj.weight", {hidden, inner}},
          .query_bias = if_set(config.qkv_bias, attention + "q_proj.bias", query),
          .key_bias = if_set(config.qkv_bias, attention + "k_proj.bias", key),
          .value_bias = if_set(config.qkv_bias, attention + "v_proj.bias", key),
          .output_bias = if_set(config.output_bias, attention + "o_proj.bias", hidden),
          .gate_bias = if_set(config.mlp_bias, mlp + "gate_proj.bias", inner),
          .up_bias = if_set(config.mlp_bias, mlp + "up_proj.bias", inner),
          .down_bias = if_set(config.mlp_bias, mlp + "down_proj.bias", hidden)};
}

ExpectedTensor final_norm_tensor(const ModelConfig& config) { return {"model.norm.weight", {config.hidden_size}}; }

ExpectedTensor input_embedding_tensor(const ModelConfig& config) {
  return {"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}};
}

ExpectedTensor output_embedding_tensor(const ModelConfig& config) {
  return {"lm_head.weight", {config.vocab_size, config.hidden_size}};
}

}  // namespace logitfield::io
