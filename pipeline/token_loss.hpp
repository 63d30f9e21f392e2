#pragma once
#include <optional>
#include <vector>

#include "kernels/block.hpp"
#include "pipeline/run_context.hpp"

namespace logitfield {

/// Next-token loss, the vocabulary split over the shards of the last stage: the proof that the model was read right.
class TokenLoss {
 public:
  TokenLoss(const RunContext& context, const mpi::Communicator& stage_ranks, Slice vocabulary);

  /// Reads this shard's output rows once, for all calls of measure().
  void keep_weights();

  /// Losses of the texts first_text, first_text + 1, ... whose final hidden states these are; the output rows are read
  /// once for all of them. Collective over the stage; every rank gets the losses.
  std::vector<LossRecord> measure(std::vector<kernels::MatrixF> hidden, std::int64_t first_text) const;

 private:
  LossRecord combine(kernels::LossPart part, std::int64_t text) const;

  const RunContext& context_;
  const mpi::Communicator& stage_ranks_;
  Slice vocabulary_;
  kernels::VectorF norm_;
  std::optional<kernels::MatrixF> kept_;
};

}  // namespace logitfield
