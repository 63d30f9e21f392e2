#pragma once
#include <vector>

#include "pipeline/measure/run_context.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// Measures the planned fields of --null Gaussian heads in the same way as the model's heads. Q and K are standard
/// normal [L, head_dim], with the model's logit scale and cap and without slopes. With a model, also measures W_Q^T W_K
/// of Gaussian projections. On rank 0, the draws are in order. Collective over all ranks.
std::vector<NullRecord> measure_null(const RunContext& context);

}  // namespace logitfield
