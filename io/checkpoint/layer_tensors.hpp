#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/config/model_config.hpp"

namespace logitfield::io {

/// A tensor that a model of some configuration must hold.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Gain and bias of a norm: none, one, or one per head.
struct NormTensors {
  NormForm form;
  std::vector<ExpectedTensor> gain, bias;
};

/// A linear map in a file: [outputs, inputs], or [inputs, outputs] where transposed. Where a tensor holds several maps,
/// this one is its `outputs` rows from row `first` on.
struct LinearTensors {
  ExpectedTensor weight;
  std::optional<ExpectedTensor> bias;
  bool transposed = false;
  std::int64_t inputs = 0, first = 0, outputs = 0;
};

/// The rows of a map that belong to heads of `rows_per_head` rows: head h begins at row
/// map.first + (h / heads_per_block) * block + (h % heads_per_block) * rows_per_head.
struct HeadTensors {
  LinearTensors map;
  std::int64_t rows_per_head = 0, heads_per_block = 1, block = 0;
};

/// A dense network, or one expert; `gate` only where it is gated.
struct MlpTensors {
  std::optional<LinearTensors> gate;
  LinearTensors up, down;
};

/// Tensors that one layer needs. Absent: the family, or this layer, has none.
struct LayerTensors {
  std::optional<NormTensors> attention_norm, attention_output_norm, attention_residual_norm;
  std::optional<NormTensors> mlp_norm, mlp_output_norm, mlp_residual_norm;
  std::optional<NormTensors> query_norm, key_norm, latent_query_norm, latent_norm;
  /// With latents, `key` and `value` are absent: both come from key_value_up.
  HeadTensors query;
  std::optional<HeadTensors> key, value, key_value_up;
  std::optional<LinearTensors> query_down, key_value_down;
  LinearTensors output;
  std::optional<MlpTensors> mlp;
  std::optional<ExpectedTensor> router, router_bias;
  std::vector<MlpTensors> experts;
};
LayerTensors layer_tensors(const ModelConfig& config, std::int64_t layer);

/// Every tensor of a layer, each once.
std::vector<ExpectedTensor> tensors_of(const LayerTensors& layer);

/// The layer that a tensor's name belongs to; empty for tensors around the layers.
std::optional<std::int64_t> layer_of(const ModelConfig& config, const std::string& name);

/// Tensors around the layers.
std::optional<NormTensors> final_norm_tensors(const ModelConfig& config);
std::optional<NormTensors> embedding_norm_tensors(const ModelConfig& config);
std::optional<LinearTensors> embedding_in_tensors(const ModelConfig& config);
std::optional<LinearTensors> embedding_out_tensors(const ModelConfig& config);
std::optional<ExpectedTensor> position_embedding_tensor(const ModelConfig& config);
std::optional<ExpectedTensor> output_bias_tensor(const ModelConfig& config);
ExpectedTensor input_embedding_tensor(const ModelConfig& config);
ExpectedTensor output_embedding_tensor(const ModelConfig& config);
/// All tensors around the layers except the two embeddings.
std::vector<ExpectedTensor> tensors_around_layers(const ModelConfig& config);

}  // namespace logitfield::io
