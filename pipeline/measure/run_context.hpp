#pragma once
#include "pipeline/forward/forward_context.hpp"
#include "pipeline/run/result_channel.hpp"

namespace logitfield {

/// What a rank needs to do its part of a run.
struct RunContext : ForwardContext {
  ResultChannel& results;
};

}  // namespace logitfield
