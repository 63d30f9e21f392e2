#pragma once
#include <cstdint>
#include <vector>

#include "kernels/field_request.hpp"
#include "pipeline/job/job.hpp"

namespace logitfield {

/// Bytes of a number.
inline constexpr double kFloat = 4, kDouble = 8;

/// One field of every head: which, how it is measured, and what that takes.
struct FieldPlan {
  kernels::FieldRequest request;
  /// The head's rows are spread over the ranks of its team (its stage), which measure it together.
  bool shared = false;
  /// Of one head; bytes on the rank that holds most, while it is measured.
  double flops = 0;
  std::uint64_t bytes = 0;

  /// All ranks of the team take part.
  bool collective() const { return shared || request.route == kernels::Route::scalapack; }
};

/// The ranks that can share a head, and the memory that one of them may use.
struct TeamSize {
  int ranks = 1;
  double bytes = 0;
};

/// A route for each context and scope, contexts ascending, scopes in the job's order within. What --spectrum and --rows
/// force, else the cheapest that is exact where that is affordable:
///   factored   full and causal-mean of logits that have factors
///   dense      masked or capped fields so short that one rank decomposes them faster than anything else
///   krylov     longer masked fields
///   scalapack  longer capped fields
/// Rows are spread where attention is not measured any more and the heads are fewer than the ranks, or a head does not
/// fit. Throws InputError where --spectrum krylov is asked for logits without factors.
std::vector<FieldPlan> plan_fields(const Job& job, const Options& options, const TeamSize& team);

/// Fields that --verify-dense also decomposes densely.
bool is_verifiable(const FieldPlan& field);

}  // namespace logitfield
