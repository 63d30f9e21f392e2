#pragma once
#include <vector>

#include "pipeline/forward/output_layer.hpp"

namespace logitfield {

/// Computes the next-token losses of the texts with these last hidden states; they show that the model was read
/// correctly. Collective over the last stage, whose shards divide the vocabulary; every rank gets the losses.
std::vector<LossRecord> token_losses(const ForwardContext& context, const mpi::Communicator& stage_ranks,
                                     const OutputLayer& output, std::vector<TextStates> texts);

}  // namespace logitfield
