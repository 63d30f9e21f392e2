#pragma once
#include <vector>

#include "pipeline/forward/output_layer.hpp"

namespace logitfield {

/// Next-token losses of the texts whose last hidden states these are: the proof that the model was read right.
/// Collective over the last stage, whose shards split the vocabulary; every rank gets the losses.
std::vector<LossRecord> token_losses(const ForwardContext& context, const mpi::Communicator& stage_ranks,
                                     const OutputLayer& output, std::vector<TextStates> texts);

}  // namespace logitfield
