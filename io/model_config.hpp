#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace logitfield::io {

/// The arithmetic of a Llama-shaped decoder (model_type llama, mistral or qwen2), from config.json.
struct ModelConfig {
  std::string model_type;
  std::int64_t num_layers = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab_size = 0;
  std::int64_t max_positions = 0;
  double norm_epsilon = 0;
  double rope_theta = 0;
  /// Keys farther than this from a query are masked (mistral); a query sees the keys i - sliding_window < j <= i.
  std::optional<std::int64_t> sliding_window;
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  bool tied_embeddings = false;
  /// Keys of config.json that this program does not know; they are listed, so that nobody has to guess.
  std::vector<std::string> unknown_keys;

  std::int64_t group_size() const { return num_heads / num_kv_heads; }
};

/// Reads and checks config.json. Throws InputError naming file, key and value for: a file that is not a JSON object,
/// a missing or non-positive size, num_heads not divisible by num_kv_heads, an odd head_dim, an unsupported model_type
/// (with the list of what works), hidden_act other than silu, and every key whose arithmetic is not implemented
/// (rope_scaling, quantization_config, ...).
ModelConfig read_model_config(const std::filesystem::path& config_json);

/// A tensor that a model of this configuration must hold.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Names in the Hugging Face layout.
struct LayerTensors {
  ExpectedTensor attention_norm, query, key, value, output, mlp_norm, gate, up, down;
  std::optional<ExpectedTensor> query_bias, key_bias, value_bias, output_bias, gate_bias, up_bias, down_bias;
};
LayerTensors layer_tensors(const ModelConfig& config, std::int64_t layer);
ExpectedTensor final_norm_tensor(const ModelConfig& config);
ExpectedTensor input_embedding_tensor(const ModelConfig& config);
ExpectedTensor output_embedding_tensor(const ModelConfig& config);

}  // namespace logitfield::io
