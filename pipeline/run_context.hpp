#pragma once
#include "kernels/backend.hpp"
#include "pipeline/continuation.hpp"
#include "pipeline/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/result_channel.hpp"
#include "pipeline/timing.hpp"

namespace logitfield {

/// Everything that a rank needs to compute its part of a model.
struct ForwardContext {
  const Job& job;
  const Plan& plan;
  const kernels::Backend& backend;
  const mpi::Communicator& world;
  PhaseClock& clock;
  Continuation& continuation;
};

/// Everything that a rank needs for its part of a run.
struct RunContext : ForwardContext {
  ResultChannel& results;
};

}  // namespace logitfield
