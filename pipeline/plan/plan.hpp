#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/error.hpp"
#include "pipeline/job/job.hpp"
#include "pipeline/plan/partition.hpp"
#include "pipeline/plan/routes.hpp"

namespace logitfield {

/// stream: a layer's weights are read, every text runs through them, they are dropped. resident: they stay, and texts
/// flow through the stages.
enum class Residency { stream, resident };

/// Where the job runs.
struct Machine {
  int ranks = 1;
  /// Ranks that share this host's memory, and the memory that is free there, in bytes.
  int ranks_on_host = 1;
  std::uint64_t available_bytes = 0;
  /// This rank's number among those of its host.
  int local_rank = 0;
  /// Where ranks compute on GPUs: the memory that one may fill on its own, and how many fields it measures there at a
  /// time. 0: they compute on CPUs.
  std::uint64_t device_bytes = 0;
  int device_workers = 1;
};

/// The host could do it, but not the GPUs: too little memory, or heads that are too wide.
class DoesNotFitDevice : public InputError {
  using InputError::InputError;
};

/// Heads drawn from each head (--head-null).
struct HeadNullPlan {
  /// Of each head, in each context.
  std::int64_t draws = 0;
  /// Its own queries and its own keys, each in another order; else Gaussian ones with the same first and second moments
  /// (kernels/field/row_moments.hpp).
  bool shuffled = false;
};

/// What a run will do and need, decided from headers only. Plain data.
struct Plan {
  Partition partition;
  Residency residency = Residency::stream;
  /// A field of every head per context and scope, scopes innermost.
  std::vector<FieldPlan> fields;
  /// Heads that are also decomposed densely; Gaussian heads; the seed of all that is drawn.
  std::int64_t verified_heads = 0, null_draws = 0;
  std::uint64_t seed = 0;
  HeadNullPlan head_null;
  /// The rank that needs most: weights and activations in float32, fields in float64, buffers. With GPUs: what stays on
  /// the host, and what is on the GPU, weights there in the forward pass's precision.
  std::uint64_t memory_bytes = 0, device_bytes = 0;
  /// Of all ranks together.
  double forward_flops = 0, field_flops = 0;
  std::uint64_t weight_bytes = 0, result_bytes = 0;
  /// Share of the ranks' time in which they compute: layers and heads that do not divide, stages that wait.
  double balance = 1;
};

/// The plans of all grids and residencies (options force any) that fit in memory. A capture whose heads are shared has
/// one stage, and shards may have no head of their own. Throws InputError where nothing works, naming grids that do, or
/// the field and the memory that it would take; DoesNotFitDevice where only the GPUs stand against it.
std::vector<Plan> fitting_plans(const Job& job, const Options& options, const Machine& machine);

/// Of these, the one of the best balance, the least memory among equals.
Plan make_plan(const Job& job, const Options& options, const Machine& machine);

/// Text of the plan for people, a line each.
std::string describe(const Plan& plan, const Job& job, const Machine& machine);

/// "1.5 GiB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace logitfield
