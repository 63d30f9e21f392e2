#pragma once
#include <cstdint>
#include <vector>

#include "kernels/field_request.hpp"
#include "pipeline/job/job_sizes.hpp"
#include "pipeline/job/options.hpp"

namespace logitfield {

/// One field of every head: its context and scope, the way it is measured, and the cost.
struct FieldPlan {
  kernels::FieldRequest request;
  /// Whether the ranks of the head's team (its stage) share its rows and measure it together.
  bool shared = false;
  /// Cost of one head: flops, and bytes on the rank that holds most during the measurement.
  double flops = 0;
  std::uint64_t bytes = 0;

  /// Whether all ranks of the team take part.
  bool collective() const { return shared || request.route == kernels::Route::scalapack; }
};

/// The ranks that can share a head, and the memory that each may use.
struct TeamSize {
  int ranks = 1;
  double bytes = 0;
};

/// Chooses a route for each context and scope: contexts ascending, within them scopes in the job's order. Follows
/// --spectrum and --rows where they force a choice. Otherwise takes the cheapest route, an exact one where that is
/// affordable:
///   factored   full and causal-mean of logits that have factors
///   dense      masked or capped fields so short that one rank decomposes them faster than anything else
///   krylov     longer masked fields
///   scalapack  longer capped fields
/// Rows are shared only in contexts without attention statistics, and only if there are fewer KV heads (over all
/// measured layers) than ranks or a head does not fit. Throws InputError if --spectrum krylov is asked for logits
/// without factors.
std::vector<FieldPlan> plan_fields(const JobSizes& job, const PlanChoices& choices, const TeamSize& team);

/// Whether --verify-dense also decomposes this field densely.
bool is_verifiable(const FieldPlan& field);

}  // namespace logitfield
