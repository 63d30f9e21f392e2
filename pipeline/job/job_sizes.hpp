#pragma once
#include <cstdint>
#include <vector>

#include "io/config/model_config.hpp"
#include "kernels/precision.hpp"
#include "kernels/scope.hpp"
#include "pipeline/job/extents.hpp"

namespace logitfield {

/// The part of a job that decides its plan: plain data, without any file.
struct JobSizes {
  /// The configuration of the model; null: recorded Q and K are measured, and there is no forward pass. The job's input
  /// owns it.
  const io::ModelConfig* config = nullptr;
  /// Bytes of all weights as stored in the files; 0: there are no files.
  std::uint64_t weight_bytes = 0;
  /// Whether the model has an output matrix.
  bool has_output = false;
  std::int64_t num_texts = 0;
  /// Ascending; a run takes the first contexts.back() tokens of every text.
  std::vector<std::int64_t> contexts;
  std::int64_t num_layers = 0;
  Slice measured_layers;
  std::int64_t head_dim = 0;
  /// The logit form of each query head; forms_at adds the keys that a layer shows and its sinks.
  std::vector<kernels::LogitForm> forms;
  /// The keys that each layer shows; empty: every layer shows all keys.
  std::vector<kernels::Visible> visible;
  /// The logits of sinks, by layer and query head; empty: no head has one.
  std::vector<std::vector<double>> sinks;
  std::vector<kernels::Scope> scopes;
  /// Precision of the forward pass.
  kernels::Precision precision = kernels::Precision::float32;
  /// The extents that a partition divides; num_layers counts only layers that must be computed.
  ModelExtents extents;

  bool is_capture() const { return !config; }
  std::int64_t length() const { return contexts.back(); }
  std::int64_t group_size() const { return extents.num_heads / extents.num_kv_heads; }
  kernels::Visible visible_at(std::int64_t layer) const {
    return visible.empty() ? kernels::Visible{} : visible[static_cast<std::size_t>(layer)];
  }
  /// Logit forms of a layer's query heads.
  std::vector<kernels::LogitForm> forms_at(std::int64_t layer, Slice heads) const;
  /// Whether the loss can be computed: it needs all layers of the model, and its output matrix.
  bool has_loss() const { return has_output && measured_layers.end == num_layers; }
};

}  // namespace logitfield
