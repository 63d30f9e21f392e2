#pragma once
#include "kernels/backend.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/mpi/communicator.hpp"
#include "pipeline/plan/plan.hpp"
#include "pipeline/results/phase_clock.hpp"
#include "pipeline/run/continuation.hpp"

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

}  // namespace logitfield
