#pragma once
#include <vector>

#include "pipeline/output_layer.hpp"

namespace logitfield {

/// Next-token losses of the texts first_text, first_text + 1, ... whose last hidden states these are: the proof that
/// the model was read right. Collective over the last stage, whose shards split the vocabulary; every rank gets the
/// losses.
std::vector<LossRecord> token_losses(const ForwardContext& context, const mpi::Communicator& stage_ranks,
                                     const OutputLayer& output,
                                     std::vector<std::unique_ptr<kernels::Activations>> hidden,
                                     std::int64_t first_text);

}  // namespace logitfield
