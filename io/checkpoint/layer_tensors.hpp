#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/config/layer_parts.hpp"
#include "io/config/model_config.hpp"
#include "io/slice.hpp"

namespace logitfield::io {

/// A tensor that a model of a given configuration must hold.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// The heads whose rows a tensor holds: none in particular, those of queries, or those of keys and values.
enum class HeadKind { none, query, key_value };

/// Gain and bias of a norm; either may be absent. `heads`: gain and bias have entries for all heads of this kind, one
/// head after the other. HeadKind::none: one norm is common to all heads, or to the model.
struct NormTensors {
  NormForm form;
  std::vector<ExpectedTensor> gain, bias;
  HeadKind heads = HeadKind::none;
};

/// A linear map in a file: [outputs, inputs], or [inputs, outputs] where transposed. Where a tensor holds several maps,
/// this one is its `outputs` rows from row `first` on, `step` apart.
struct LinearTensors {
  ExpectedTensor weight;
  std::optional<ExpectedTensor> bias;
  bool transposed = false;
  std::int64_t inputs = 0, first = 0, outputs = 0, step = 1;

  /// The rows of the tensor in which some rows of the map lie.
  Slice span_of(Slice rows) const {
    return rows.size() > 0 ? Slice{first + rows.begin * step, first + (rows.end - 1) * step + 1} : Slice{first, first};
  }
};

/// The rows of a map that belong to heads of one kind, `rows_per_head` rows each: head h begins at row
/// map.first + (h / heads_per_block) * block + (h % heads_per_block) * rows_per_head.
struct HeadTensors {
  LinearTensors map;
  HeadKind heads = HeadKind::query;
  std::int64_t rows_per_head = 0, heads_per_block = 1, block = 0;
};

/// A dense network, or one expert. A network without a gate has no `gate`.
struct MlpTensors {
  std::optional<LinearTensors> gate;
  LinearTensors up, down;
};

/// Defines the types of a layer's parts as tensors in files. With latents, the stacked heads are those of the queries
/// alone.
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
/// The tensors that one layer needs. A part is absent if the family, or this layer, has none.
struct LayerTensors : LayerParts<AsTensors> {
  /// Belongs to the form of the heads' logits, not to the weights of the block.
  std::optional<ExpectedTensor> sinks;
};
LayerTensors layer_tensors(const ModelConfig& config, std::int64_t layer);

/// Returns every tensor of a layer, each once.
std::vector<ExpectedTensor> tensors_of(const LayerTensors& layer);

/// Returns the layer that a tensor's name belongs to; nothing for tensors outside the layers.
std::optional<std::int64_t> layer_of(const ModelConfig& config, const std::string& name);

/// Return tensors outside the layers.
std::optional<NormTensors> final_norm_tensors(const ModelConfig& config);
std::optional<NormTensors> embedding_norm_tensors(const ModelConfig& config);
std::optional<LinearTensors> embedding_in_tensors(const ModelConfig& config);
std::optional<LinearTensors> embedding_out_tensors(const ModelConfig& config);
std::optional<ExpectedTensor> position_embedding_tensor(const ModelConfig& config);
std::optional<ExpectedTensor> output_bias_tensor(const ModelConfig& config);
ExpectedTensor input_embedding_tensor(const ModelConfig& config);
ExpectedTensor output_embedding_tensor(const ModelConfig& config);
/// Returns all tensors outside the layers except the two embeddings.
std::vector<ExpectedTensor> tensors_around_layers(const ModelConfig& config);

}  // namespace logitfield::io
