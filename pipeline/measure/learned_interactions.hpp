#pragma once
#include <vector>

#include "kernels/backend.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// Learned interactions W_Q^T W_K of every query head of a shard's layer, from the weights alone.
std::vector<kernels::LearnedInteraction> learned_interactions(const kernels::Backend& backend,
                                                              const kernels::BlockShape& shape,
                                                              const kernels::LayerWeights& weights);

/// Stores the learned interaction in all fields of the heads (one entry per head, in their order), with the spectral
/// gap to each field's own k90.
void attach(const std::vector<kernels::LearnedInteraction>& learned, std::vector<HeadRecord>& heads);

/// learned k90 / field k90; NaN if either is not known, or the field is zero.
double spectral_gap(std::int64_t learned_k90, std::int64_t field_k90);

}  // namespace logitfield
