#include "pipeline/plan/plan.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "io/error.hpp"
#include "kernels/device.hpp"
#include "pipeline/job/windows.hpp"
#include "pipeline/plan/memory.hpp"
#include "pipeline/plan/work.hpp"

namespace logitfield {
namespace {

/// Mean work of a rank, divided by the work of the busiest rank, over the whole run.
double balance_of(const JobSizes& job, const Partition& partition, Residency residency) {
  const double stages = partition.grid.stages, texts = static_cast<double>(job.num_texts);
  const double layers = static_cast<double>(job.extents.num_layers),
               heads = static_cast<double>(job.extents.num_kv_heads);
  const double head_share = largest(partition.kv_heads) / heads;
  // A capture's layers never wait. Texts fill the pipeline of stages only with resident weights.
  const double layer_steps = job.is_capture() ? largest(partition.layers)
                             : residency == Residency::stream
                                 ? layers
                                 : largest(partition.layers) * (texts + stages - 1) / texts;
  return layers / (layer_steps * head_share * partition.grid.ranks());
}

std::vector<Grid> candidate_grids(const JobSizes& job, const PlanChoices& choices, int ranks) {
  if (choices.grid.empty()) {
    std::vector<Grid> grids = possible_grids(job.extents, ranks);
    if (grids.empty()) grids.push_back({1, ranks});  // make_partition refuses it with the reason
    return grids;
  }
  const Grid grid = parse_grid(choices.grid);
  if (grid.ranks() != ranks) {
    throw InputError("--grid {} needs {} ranks, but {} run: start it with mpirun -n {} or leave --grid out",
                     choices.grid, grid.ranks(), ranks, grid.ranks());
  }
  return {grid};
}

std::vector<Residency> candidate_residencies(const JobSizes& job, const PlanChoices& choices) {
  if (choices.weights == WeightsChoice::stream || job.is_capture()) return {Residency::stream};
  if (choices.weights == WeightsChoice::resident) return {Residency::resident};
  return {Residency::stream, Residency::resident};
}

/// All ranks work on a shared head of a capture at once: there is one stage, in which a shard may have no head.
Partition shared_partition(const JobSizes& job, const PlanChoices& choices, int ranks) {
  if (!choices.grid.empty() && parse_grid(choices.grid).stages > 1) {
    throw InputError(
        "--grid {}: ranks that share the rows of a capture's heads form one stage; use --grid 1x{} or leave it out",
        choices.grid, ranks);
  }
  const std::vector<Slice> kv_heads = divide(job.extents.num_kv_heads, ranks);
  std::vector<Slice> heads;
  for (const Slice& s : kv_heads) heads.push_back({s.begin * job.group_size(), s.end * job.group_size()});
  return {{1, ranks}, {{0, job.extents.num_layers}}, kv_heads, heads, divide(0, ranks)};
}

/// Says why a rank with `limit` bytes cannot measure a field; empty if it can measure all of them.
std::string refusal_of(const std::vector<FieldPlan>& fields, int team, double limit) {
  for (const FieldPlan& field : fields) {
    if (static_cast<double>(field.bytes) <= limit) continue;
    const bool dense = field.request.route == kernels::Route::scalapack;
    return fmt::format(
        "not enough memory: the {} field at {} tokens by the {} route needs {} per rank{}, but a rank has {}; use more "
        "ranks or hosts, shorter contexts, fewer --components{}",
        kernels::scope_name(field.request.scope), field.request.context, kernels::route_name(field.request.route),
        bytes_text(field.bytes), field.collective() && team > 1 ? fmt::format(" ({} share it)", team) : "",
        bytes_text(static_cast<std::uint64_t>(limit)), dense ? ", or another --spectrum" : "");
  }
  return {};
}

/// Host memory that a rank may fill, bytes.
double host_limit(const Machine& machine) {
  return static_cast<double>(machine.available_bytes) / machine.ranks_on_host;
}

/// The plan for one grid and residency.
Plan candidate(const JobSizes& job, const PlanChoices& choices, const Grid& grid, Residency residency,
               const Machine& machine) {
  Plan plan;
  plan.residency = residency;
  plan.verified_heads = choices.verify_dense;
  plan.null_draws = choices.null_draws;
  plan.head_null = choices.head_null;
  plan.seed = choices.seed;
  plan.fields = plan_fields(job, choices, {job.is_capture() ? grid.ranks() : grid.shards, host_limit(machine)});
  const bool collective = std::ranges::any_of(plan.fields, &FieldPlan::collective) || plan.verified_heads > 0;
  plan.partition =
      job.is_capture() && collective ? shared_partition(job, choices, grid.ranks()) : make_partition(job.extents, grid);
  const int workers = machine.device_bytes > 0 ? machine.device_workers : 0;
  plan.memory_bytes = static_cast<std::uint64_t>(memory_of(job, plan, workers));
  if (workers > 0) plan.device_bytes = static_cast<std::uint64_t>(device_memory_of(job, plan, workers));
  const bool all_shared = job.is_capture() && std::ranges::all_of(plan.fields, &FieldPlan::collective);
  plan.balance = all_shared ? 1 : balance_of(job, plan.partition, residency);
  plan.forward_flops = job.config ? forward_flops(job) : 0;
  plan.field_flops =
      field_flops(job, plan.fields, machine.device_bytes > 0) + head_null_flops(job, plan.fields, plan.head_null.draws);
  plan.weight_bytes = weight_bytes(job);
  plan.result_bytes = result_bytes(job, plan.fields, plan.null_draws, plan.head_null.draws);
  return plan;
}

void check_head_size(const JobSizes& job) {
  if (!job.config) return;
  const std::int64_t widest = std::max(job.config->head_dim, job.config->value_dim);
  if (widest <= kernels::kMostDeviceHeadColumns) return;
  throw DoesNotFitDevice(
      "heads have {} columns, but the GPU back end computes attention up to {} columns; use --backend cpu", widest,
      kernels::kMostDeviceHeadColumns);
}

}  // namespace

std::vector<Plan> fitting_plans(const JobSizes& job, const PlanChoices& choices, const Machine& machine) {
  if (machine.device_bytes > 0) check_head_size(job);
  const double limit = host_limit(machine);
  std::vector<Plan> out;
  std::uint64_t least_memory = 0, least_on_device = 0;
  std::string refusal;
  for (const Grid& grid : candidate_grids(job, choices, machine.ranks)) {
    for (const Residency residency : candidate_residencies(job, choices)) {
      Plan plan = candidate(job, choices, grid, residency, machine);
      if (least_memory == 0 || plan.memory_bytes < least_memory) {
        least_memory = plan.memory_bytes;
        refusal = refusal_of(plan.fields, plan.partition.grid.shards, limit);
        if (refusal.empty() && null_bytes(job, plan) > limit) {
          refusal = fmt::format(
              "not enough memory: the statistics of {} Gaussian heads need {} on the first rank, but a rank has {}; "
              "use fewer draws (--null)",
              plan.null_draws, bytes_text(static_cast<std::uint64_t>(null_bytes(job, plan))),
              bytes_text(static_cast<std::uint64_t>(limit)));
        }
      }
      if (static_cast<double>(plan.memory_bytes) > limit) continue;
      if (least_on_device == 0 || plan.device_bytes < least_on_device) least_on_device = plan.device_bytes;
      if (plan.device_bytes <= machine.device_bytes) out.push_back(std::move(plan));
    }
  }
  if (!out.empty()) return out;
  if (least_on_device > 0) {
    throw DoesNotFitDevice(
        "not enough memory on the GPU: a rank needs at least {}, but {} is free; use more GPUs or fewer ranks per GPU, "
        "shorter contexts, fewer texts, --weights stream, --precision bf16, or --backend cpu",
        bytes_text(least_on_device), bytes_text(machine.device_bytes));
  }
  if (!refusal.empty()) throw InputError("{}", refusal);
  throw InputError(
      "not enough memory: a rank needs at least {}, but {} ranks share {} of free memory on this host; "
      "use fewer ranks per host, shorter contexts, fewer texts, or --weights stream",
      bytes_text(least_memory), machine.ranks_on_host, bytes_text(machine.available_bytes));
}

Plan make_plan(const JobSizes& job, const PlanChoices& choices, const Machine& machine) {
  const auto better = [](const Plan& a, const Plan& b) {
    const auto memory = [](const Plan& p) { return p.device_bytes > 0 ? p.device_bytes : p.memory_bytes; };
    return a.balance > b.balance + 1e-9 || (a.balance > b.balance - 1e-9 && memory(a) < memory(b));
  };
  Plan best;
  for (Plan& plan : fitting_plans(job, choices, machine)) {
    if (best.memory_bytes == 0 || better(plan, best)) best = std::move(plan);
  }
  return best;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

namespace {

std::string describe_field(const FieldPlan& field, int team) {
  const kernels::FieldRequest& r = field.request;
  std::string how{kernels::route_name(r.route)};
  if (r.route == kernels::Route::krylov) how += fmt::format(" (up to {} components)", r.components);
  if (field.collective()) how += fmt::format(" over {} ranks", team);
  return fmt::format("{:<10} {:>8} tokens, {:<11} {}: {:.3g} GFLOP per head, {} per rank\n", "field", r.context,
                     kernels::scope_name(r.scope), how, field.flops * 1e-9, bytes_text(field.bytes));
}

}  // namespace

std::string describe(const Plan& plan, const Job& job, const Machine& machine) {
  const Grid& grid = plan.partition.grid;
  std::string out;
  const auto line = [&](const char* name, const std::string& value) { out += fmt::format("{:<10} {}\n", name, value); };
  line(job.is_capture() ? "capture" : "model",
       fmt::format("{}: {} layers x {} heads over {} KV heads, head dimension {}", job.model_name(), job.num_layers,
                   job.extents.num_heads, job.extents.num_kv_heads, job.head_dim));
  for (const std::string& notice : job.notices()) line("notice", notice);
  line("texts", fmt::format("{}, first {} tokens each", job.num_texts, job.length()));
  line("contexts", fmt::format("{}", fmt::join(job.contexts, ", ")));
  line("measures", fmt::format("layers {} to {}", job.measured_layers.begin, job.measured_layers.end - 1));
  std::vector<kernels::Visible> measured;
  for (std::int64_t l = job.measured_layers.begin; l < job.measured_layers.end; ++l) {
    measured.push_back(job.visible_at(l));
  }
  if (const std::string windows = windows_text(measured, job.length()); !windows.empty()) {
    line("windows", windows + ": their causal field and attention cover only these");
  }
  for (const FieldPlan& field : plan.fields) out += describe_field(field, grid.shards);
  if (plan.verified_heads > 0) line("verifies", fmt::format("{} heads densely", plan.verified_heads));
  if (plan.null_draws > 0) line("null", fmt::format("{} Gaussian heads", plan.null_draws));
  if (plan.head_null.draws > 0) {
    line("own null", fmt::format("{} draws from every head, {}", plan.head_null.draws,
                                 plan.head_null.shuffled ? "shuffled" : "Gaussian"));
  }
  line("ranks", fmt::format("{} = {} stages x {} shards, load balance {:.0f} %", grid.ranks(), grid.stages, grid.shards,
                            100 * plan.balance));
  if (job.config) {
    line("weights", fmt::format("{}, {} read", plan.residency == Residency::stream ? "stream" : "resident",
                                bytes_text(plan.weight_bytes)));
  }
  line("memory", fmt::format("{} for the largest rank, {} ranks on a host with {} free", bytes_text(plan.memory_bytes),
                             machine.ranks_on_host, bytes_text(machine.available_bytes)));
  if (machine.device_bytes > 0) {
    line("GPU memory", fmt::format("{} for the largest rank, {} free for each", bytes_text(plan.device_bytes),
                                   bytes_text(machine.device_bytes)));
  }
  line("work",
       fmt::format("forward {:.3g} GFLOP, field {:.3g} GFLOP", plan.forward_flops * 1e-9, plan.field_flops * 1e-9));
  line("results", fmt::format("up to {}", bytes_text(plan.result_bytes)));
  return out;
}

}  // namespace logitfield
