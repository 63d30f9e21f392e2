#include "pipeline/plan/prediction.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/field/cost.hpp"
#include "pipeline/plan/shard.hpp"
#include "pipeline/plan/work.hpp"

namespace logitfield {
namespace {

/// Speed of ScaLAPACK's SVD, as a fraction of the speed of LAPACK's on one rank (measured: docs/decisions/0007).
constexpr double kScalapackSpeed = 0.6;

/// Seconds for all fields of one query head, on the ranks that share it. `apart`: the share of heads whose attention is
/// measured separately.
double head_seconds(const JobSizes& job, const Plan& plan, const Rates& rates, double apart) {
  const std::int64_t d = job.head_dim, group = job.group_size(), attended = longest_attended(plan.fields);
  double seconds = 0;
  if (attended > 0) {
    const double flops = kernels::attention_flops(attended, d);
    seconds += apart * rates.field_seconds("attention", d, group, attended, flops);
  }
  for (const FieldPlan& field : plan.fields) {
    const bool scalapack = field.request.route == kernels::Route::scalapack;
    const std::string route{scalapack ? "dense" : kernels::route_name(field.request.route)};
    const double alone = rates.field_seconds(route, d, group, field.request.context, field.flops);
    // The ranks of the stage share every field and work through the heads of all ranks together.
    const double heads_met =
        field.collective() ? static_cast<double>(job.extents.num_heads) / largest(plan.partition.heads) : 1;
    const double helpers = field.collective() ? plan.partition.grid.shards : 1;
    seconds += alone * heads_met / helpers / (scalapack ? kScalapackSpeed : 1);
  }
  return seconds;
}

/// Seconds of one text in one layer, on the shard with the most work.
struct Unit {
  double forward = 0, field = 0, communicate = 0;
  double seconds() const { return forward + field + communicate; }
};

/// Seconds of a ring sum of `bytes` bytes over `ranks`.
double sum_seconds(double bytes, int ranks, const Rates& rates) {
  if (ranks == 1) return 0;
  return rates.latency * std::ceil(std::log2(ranks)) * 2 + 2.0 * (ranks - 1) / ranks * bytes / rates.bandwidth;
}

double hidden_bytes(const JobSizes& job) { return 4 * static_cast<double>(job.length() * job.config->hidden_size); }

Unit mean_unit(const JobSizes& job, const Plan& plan, const Rates& rates) {
  Unit unit;
  const double layers = static_cast<double>(job.extents.num_layers);
  const double measured = static_cast<double>(job.measured_layers.size()) / layers;
  unit.field =
      measured *
      head_seconds(job, plan, rates, attended_apart(job, longest_attended(plan.fields), plan.device_bytes > 0)) *
      largest(plan.partition.heads);
  unit.field += measured * static_cast<double>(plan.head_null.draws) * head_seconds(job, plan, rates, 1) *
                largest(plan.partition.heads);
  if (!job.config) return unit;
  const double share = largest(plan.partition.heads) / static_cast<double>(job.extents.num_heads);
  const ForwardSample rate = rates.forward_at(job.config->hidden_size);
  for (std::int64_t l = 0; l < job.extents.num_layers; ++l) {
    const LayerFlops flops = layer_flops(job, l);
    unit.forward += share * (flops.weights / rate.weights + flops.attention / rate.attention) / layers;
  }
  unit.communicate = (job.config->parallel ? 1 : 2) * sum_seconds(hidden_bytes(job), plan.partition.grid.shards, rates);
  return unit;
}

/// Seconds until the last stage is done, and the part of them that each stage computes (`busy`).
struct Course {
  double wall = 0, busy = 0;
};

Course course_of(const JobSizes& job, const Plan& plan, double unit, double load, double hand_over) {
  const double texts = static_cast<double>(job.num_texts), stages = plan.partition.grid.stages;
  const double own = largest(plan.partition.layers), all = static_cast<double>(job.extents.num_layers);
  const double busy = own * (texts * unit + load);
  if (!job.config) return {busy, busy};
  if (plan.residency == Residency::stream)
    return {all * (texts * unit + load) + (stages - 1) * texts * hand_over, busy};
  return {own * load + (texts + stages - 1) * (own * unit + hand_over), busy};
}

}  // namespace

Prediction predict(const JobSizes& job, const Plan& plan, double weight_bytes, const Rates& rates) {
  const Grid& grid = plan.partition.grid;
  const double ranks = grid.ranks(), texts = static_cast<double>(job.num_texts);
  const Unit unit = mean_unit(job, plan, rates);
  const double own_layers = largest(plan.partition.layers), own_units = own_layers * texts;
  Prediction out;
  double load = 0, output = 0, hand_over = 0;
  if (job.config) {
    // First, all ranks together check and hash the weights, from storage. Then each rank reads its part, from memory.
    load = weight_bytes / static_cast<double>(job.num_layers) / grid.shards / rates.load;
    out.read = std::max(weight_bytes / rates.storage, weight_bytes / ranks / rates.hash) + own_layers * load;
    output = texts * output_flops(job) / grid.shards / rates.forward_at(job.config->hidden_size).weights;
    hand_over = grid.stages > 1 ? hidden_bytes(job) / rates.bandwidth + rates.latency : 0;
  }
  const Course course = course_of(job, plan, unit.seconds(), load, hand_over);
  out.forward = own_units * unit.forward + output;
  out.field = own_units * unit.field;
  out.communicate = own_units * unit.communicate + texts * hand_over;
  if (plan.null_draws > 0) {
    out.field += std::ceil(static_cast<double>(plan.null_draws) / ranks) * head_seconds(job, plan, rates, 1);
  }
  // A wait at the level of rounding error counts as zero.
  const double wait = course.wall - course.busy;
  out.wait = wait > 1e-9 * course.wall ? wait : 0;
  return out;
}

std::string advice(const Prediction& p) {
  const double computing = p.forward + p.field;
  if (p.read > computing && p.read > p.communicate) {
    return "reading the weights takes longer than computing: give the run more texts, or use faster storage";
  }
  if (p.communicate > computing) {
    return "communication takes longer than computing: use fewer shards and more stages (--grid), or fewer ranks";
  }
  if (p.wait > computing) {
    return "ranks mostly wait: give more texts than stages with --weights resident, or use fewer stages";
  }
  return {};
}

}  // namespace logitfield
