#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/error.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/plan/partition.hpp"
#include "pipeline/plan/routes.hpp"

namespace logitfield {

/// stream: each layer's weights are read, used for every text and dropped. resident: weights stay in memory, and texts
/// pass through the stages.
enum class Residency { stream, resident };

/// The ranks and memory that the job runs on.
struct Machine {
  int ranks = 1;
  /// Ranks that share this host's memory, and the memory that is free there, in bytes.
  int ranks_on_host = 1;
  std::uint64_t available_bytes = 0;
  /// This rank's number among those of its host.
  int local_rank = 0;
  /// Where ranks compute on GPUs: the memory that one rank may fill, and the number of fields that it measures at a
  /// time. 0: they compute on CPUs.
  std::uint64_t device_bytes = 0;
  int device_workers = 1;
};

/// The job fits the hosts but not the GPUs: too little memory, or heads that are too wide.
class DoesNotFitDevice : public InputError {
  using InputError::InputError;
};

/// The work of a run and its needs, decided from headers only. Plain data.
struct Plan {
  Partition partition;
  Residency residency = Residency::stream;
  /// One entry per context and scope, scopes innermost; each is measured for every head.
  std::vector<FieldPlan> fields;
  /// Number of heads that are also decomposed densely; number of Gaussian heads; seed of all random draws.
  std::int64_t verified_heads = 0, null_draws = 0;
  std::uint64_t seed = 0;
  HeadNullPlan head_null;
  /// Memory of the rank that needs most: weights in the job's precision, activations in float32, fields in float64,
  /// buffers. With GPUs: the part on the host, and the part on the GPU.
  std::uint64_t memory_bytes = 0, device_bytes = 0;
  /// Totals over all ranks.
  double forward_flops = 0, field_flops = 0;
  std::uint64_t weight_bytes = 0, result_bytes = 0;
  /// Share of the ranks' time in which they compute; uneven division of layers and heads and waiting stages lower it.
  double balance = 1;
};

/// All plans that fit in memory, over all grids and residencies unless the choices force one. A capture whose heads are
/// shared or distributed has one stage; a shard may then have no head of its own. Throws InputError if no plan
/// works, naming grids that do, or the field and its memory. Throws DoesNotFitDevice if only the GPUs are too small.
std::vector<Plan> fitting_plans(const JobSizes& job, const PlanChoices& choices, const Machine& machine);

/// The fitting plan with the best balance; among equals, the one with the least memory.
Plan make_plan(const JobSizes& job, const PlanChoices& choices, const Machine& machine);

/// Text for people, a line per item.
std::string describe(const Plan& plan, const Job& job, const Machine& machine);

/// "1.5 GiB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace logitfield
