#include "pipeline/plan/routes.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/cost.hpp"
#include "pipeline/scalapack/distributed_field.hpp"

namespace logitfield {
namespace {

using kernels::Route;
using kernels::Scope;

/// Longest context in which the whole spectrum of a masked field costs no more than its leading components and the sums
/// over the rest.
constexpr std::int64_t kLongestDense = 2048;
/// Longest context for dense checks: a check of a longer field would cost more than the run.
constexpr std::int64_t kLongestVerified = 4096;

bool has_factors(const JobSizes& job) {
  return std::ranges::all_of(job.forms, [](const kernels::LogitForm& form) { return form.has_factors(); });
}

Route choose_route(const JobSizes& job, const PlanChoices& choices, std::int64_t context, Scope scope) {
  if (choices.spectrum == SpectrumChoice::dense) return Route::scalapack;
  if (!has_factors(job)) {
    if (choices.spectrum == SpectrumChoice::krylov) {
      throw InputError(
          "--spectrum krylov: the model's logits are capped and have no low-rank factors; use --spectrum auto or "
          "dense");
    }
    return context <= kLongestDense ? Route::dense : Route::scalapack;
  }
  if (!is_masked(scope)) return Route::factored;
  return choices.spectrum == SpectrumChoice::automatic && context <= kLongestDense ? Route::dense : Route::krylov;
}

/// A field of a layer, as far as its cost goes.
kernels::FieldSize size_in(const JobSizes& job, std::int64_t layer, const kernels::FieldRequest& request) {
  return {.request = request,
          .head_dim = job.head_dim,
          .group_size = job.group_size(),
          .slopes = std::ranges::any_of(job.forms, [](const auto& form) { return form.alibi_slope != 0; }),
          .mask = mask_of({.visible = job.visible_at(layer)}, request.scope, request.context)};
}

/// Mean flops of one head over the measured layers.
double mean_flops(const JobSizes& job, const kernels::FieldRequest& request) {
  double sum = 0;
  for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
    sum += field_flops(size_in(job, layer, request));
  }
  return sum / static_cast<double>(job.measured_layers.size());
}

/// Bytes on a rank that holds `rows` of the context's rows, in the layer that needs the most.
std::uint64_t most_bytes(const JobSizes& job, const kernels::FieldRequest& request, std::int64_t rows, int ranks) {
  double most = 0;
  for (std::int64_t layer = job.measured_layers.begin; layer < job.measured_layers.end; ++layer) {
    most = std::max(most, field_bytes(size_in(job, layer, request), rows));
  }
  const bool distributed = request.route == Route::scalapack;
  return static_cast<std::uint64_t>(most) + (distributed ? dense_field_bytes(request.context, ranks) : 0);
}

bool share_rows(const JobSizes& job, const PlanChoices& choices, const kernels::FieldRequest& request,
                const TeamSize& team, std::uint64_t whole_bytes) {
  const bool can = job.is_capture() && (request.route == Route::factored || request.route == Route::krylov);
  if (!can || choices.rows == RowsChoice::whole) return false;
  if (choices.rows == RowsChoice::sharded) return true;
  const std::int64_t heads = job.extents.num_kv_heads * job.measured_layers.size();
  return team.ranks > 1 && request.context > kernels::kLongestAttention &&
         (heads < team.ranks || static_cast<double>(whole_bytes) > team.bytes);
}

}  // namespace

std::vector<FieldPlan> plan_fields(const JobSizes& job, const PlanChoices& choices, const TeamSize& team) {
  std::vector<FieldPlan> out;
  for (const std::int64_t context : job.contexts) {
    for (const Scope scope : job.scopes) {
      FieldPlan field;
      field.request = {context, scope, choose_route(job, choices, context, scope), choices.components};
      field.flops = mean_flops(job, field.request);
      field.bytes = most_bytes(job, field.request, context, team.ranks);
      field.shared = share_rows(job, choices, field.request, team, field.bytes);
      if (field.shared) {
        field.bytes = most_bytes(job, field.request, (context + team.ranks - 1) / team.ranks, team.ranks);
      }
      out.push_back(field);
    }
  }
  return out;
}

bool is_verifiable(const FieldPlan& field) {
  return field.request.route != Route::scalapack && !field.shared && field.request.context <= kLongestVerified;
}

}  // namespace logitfield
