#pragma once
#include "pipeline/forward/forward_context.hpp"
#include "pipeline/run/result_channel.hpp"

namespace logitfield {

/// Everything that a rank needs for its part of a run.
struct RunContext : ForwardContext {
  ResultChannel& results;
};

}  // namespace logitfield
