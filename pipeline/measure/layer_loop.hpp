#pragma once

#include "pipeline/measure/run_context.hpp"

namespace logitfield {

/// Runs every text through this rank's stage and shard of the model and measures the heads of each layer as it goes.
/// Submits one LayerRecord per (text, layer) that is not done and, from the last stage, one LossRecord per text.
/// Returns early when the continuation says to stop. Collective. Throws InputError if a file cannot be
/// read during the run.
void run_model(const RunContext& context);

/// Measures the recorded Q and K of this rank's layers and heads that are not done. A stage's ranks work on the same
/// layer at a time. Returns early when the continuation says to stop.
void run_capture(const RunContext& context);

}  // namespace logitfield
