#pragma once
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/forward/forward_context.hpp"
#include "pipeline/forward/layer_weights.hpp"
#include "pipeline/results/unit_place.hpp"

namespace logitfield {

/// Receives the results of a forward pass, on the ranks that compute them.
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  /// Called after the weights of a layer have been read.
  virtual void loaded(std::int64_t layer, const kernels::BlockShape& shape, const kernels::LayerWeights& weights) = 0;
  /// Receives Q and K of the shard's heads in one layer of one text, where that unit is not done. Called on all ranks
  /// of the stage.
  virtual void heads(const UnitPlace& unit, const kernels::Heads& heads) = 0;
  /// Receives the hidden states after the last layer, for texts whose loss is wanted and not yet known. Called on all
  /// ranks of the last stage.
  virtual void finished(std::vector<TextStates> texts) = 0;
};

/// Runs every text of the job through this rank's part of the model, by the plan's partition and residency. Starts each
/// text where the continuation says; returns early when it says to stop. Collective.
void run_forward(const ForwardContext& context, const mpi::Communicator& stage_ranks, LayerObserver& observer);

}  // namespace logitfield
