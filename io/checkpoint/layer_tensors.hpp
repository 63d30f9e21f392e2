#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/config/layer_parts.hpp"
#include "io/config/model_config.hpp"

namespace logitfield::io {

/// A tensor that a model of some configuration must hold.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Which heads a tensor has rows of: none in particular, or those of queries or of keys and values.
enum class HeadKind { none, query, key_value };

/// Gain and bias of a norm: none, one, or one per head. `heads`: they have entries for all heads of a kind, one head
/// after the other; none: all heads, or the model, have one in common.
struct NormTensors {
  NormForm form;
  std::vector<ExpectedTensor> gain, bias;
  HeadKind heads = HeadKind::none;
};

/// A linear map in a file: [outputs, inputs], or [inputs, outputs] where transposed. Where a tensor holds several maps,
/// this one is its `outputs` rows from row `first` on.
struct LinearTensors {
  ExpectedTensor weight;
  std::optional<ExpectedTensor> bias;
  bool transposed = false;
  std::int64_t inputs = 0, first = 0, outputs = 0;
};

/// The rows of a map that belong to heads of one kind, `rows_per_head` rows each: head h begins at row
/// map.first + (h / heads_per_block) * block + (h % heads_per_block) * rows_per_head.
struct HeadTensors {
  LinearTensors map;
  HeadKind heads = HeadKind::query;
  std::int64_t rows_per_head = 0, heads_per_block = 1, block = 0;
};

/// A dense network, or one expert; `gate` only where it is gated.
struct MlpTensors {
  std::optional<LinearTensors> gate;
  LinearTensors up, down;
};

/// Tensors stand for a layer's parts. With latents, the stacked heads are those of the queries alone.
struct AsTensors {
  using Norm = std::optional<NormTensors>;
  using StackedHeads = std::vector<HeadTensors>;
  using WholeMap = std::optional<LinearTensors>;
  using HeadMap = std::optional<HeadTensors>;
  using ColumnMap = LinearTensors;
  using Network = std::optional<MlpTensors>;
  using Router = std::optional<ExpectedTensor>;
  using RouterBias = std::optional<ExpectedTensor>;
  using Expert = MlpTensors;
};
/// Tensors that one layer needs. Absent: the family, or this layer, has none.
using LayerTensors = LayerParts<AsTensors>;
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
