#pragma once
#include <cstdint>

#include "pipeline/run_context.hpp"

namespace logitfield {

/// Runs every text through this rank's stage and shard of the model, measures the heads of each layer on the way, and
/// submits one LayerRecord per (text, layer) and, from the last stage, one LossRecord per text. Collective.
/// Throws InputError where a file fails while it is read.
void run_model(const RunContext& context);

/// Measures the recorded Q and K of this rank's layers and heads. Ranks do not wait for each other.
void run_capture(const RunContext& context);

/// How many records both submit, over all ranks.
std::int64_t expected_records(const Job& job, const Plan& plan);

}  // namespace logitfield
