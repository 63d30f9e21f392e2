#pragma once
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/forward/forward_context.hpp"
#include "pipeline/forward/layer_weights.hpp"

namespace logitfield {

/// What is done with what a forward pass makes, on the ranks that make it.
class LayerObserver {
 public:
  virtual ~LayerObserver() = default;
  /// The weights of a layer were read.
  virtual void loaded(std::int64_t layer, const kernels::BlockShape& shape, const kernels::LayerWeights& weights) = 0;
  /// Q and K of the shard's heads in one layer of one text that is not done. Called on all ranks of the stage.
  virtual void heads(std::int64_t text, std::int64_t layer, const kernels::Heads& heads) = 0;
  /// The hidden states after the last layer, of texts whose loss is wanted and not known: on all ranks of the last
  /// stage.
  virtual void finished(std::vector<TextStates> texts) = 0;
};

/// Runs every text of the job through this rank's part of the model, by the plan's partition and residency, from where
/// the continuation says; returns early where it says to stop. Collective.
void run_forward(const ForwardContext& context, const mpi::Communicator& stage_ranks, LayerObserver& observer);

}  // namespace logitfield
