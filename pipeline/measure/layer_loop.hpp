#pragma once
#include <cstdint>

#include "pipeline/measure/run_context.hpp"

namespace logitfield {

/// Runs every text through this rank's stage and shard of the model, measures the heads of each layer on the way, and
/// submits one LayerRecord per (text, layer) that is not done and, from the last stage, one LossRecord per text.
/// Returns early where the continuation says to stop. Collective. Throws InputError where a file fails while it is
/// read.
void run_model(const RunContext& context);

/// Measures the recorded Q and K of this rank's layers and heads that are not done; a stage's ranks go from layer to
/// layer together. Returns early where the continuation says to stop.
void run_capture(const RunContext& context);

}  // namespace logitfield
