#pragma once
#include <vector>

#include "pipeline/measure/run_context.hpp"
#include "pipeline/results/record.hpp"

namespace logitfield {

/// The planned fields of --null Gaussian heads (standard normal Q and K [L, head_dim], the model's logit scale and cap,
/// no slopes), measured as the model's heads are; with a model, also W_Q^T W_K of Gaussian projections. On rank 0, the
/// draws in their order. Collective over all ranks.
std::vector<NullRecord> measure_null(const RunContext& context);

}  // namespace logitfield
