#include "pipeline/plan.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "io/error.hpp"
#include "kernels/cpu/attention_statistics.hpp"
#include "pipeline/dense_field.hpp"
#include "pipeline/weights.hpp"

namespace logitfield {
namespace {

constexpr double kFloat = 4, kDouble = 8;
/// Program, MPI and BLAS buffers before any data: measured at 60 to 90 MB.
constexpr double kBaseBytes = 90e6;

double largest(const std::vector<Slice>& slices) {
  std::int64_t size = 0;
  for (const Slice& s : slices) size = std::max(size, s.size());
  return static_cast<double>(size);
}

/// Work of the busiest rank against an even share, over the whole run.
double balance_of(const Job& job, const Partition& partition, Residency residency) {
  const double stages = partition.grid.stages, texts = static_cast<double>(job.num_texts());
  const double layers = static_cast<double>(job.extents.num_layers),
               heads = static_cast<double>(job.extents.num_kv_heads);
  const double head_share = largest(partition.kv_heads) / heads;
  // A capture's layers wait for nothing. Texts fill the pipeline of stages only where the weights stay.
  const double layer_steps = job.capture ? largest(partition.layers)
                             : residency == Residency::stream
                                 ? layers
                                 : largest(partition.layers) * (texts + stages - 1) / texts;
  return layers / (layer_steps * head_share * partition.grid.ranks());
}

/// The field that needs most, and what attention and the dense check add.
double field_bytes(const Job& job, const Plan& plan) {
  std::uint64_t most = 0;
  for (const FieldPlan& field : plan.fields) {
    most = std::max(most, field.bytes);
    if (plan.verified_heads > 0 && is_verifiable(field)) {
      most = std::max(most, dense_field_bytes(field.request.context, plan.partition.grid.shards));
    }
  }
  const double attended = static_cast<double>(std::min(job.length(), kernels::cpu::kLongestAttention));
  return static_cast<double>(most) + kDouble * attended * static_cast<double>(job.head_dim + 2 * 64);
}

/// Of the largest layer, on the first shard, which has most.
double layer_bytes(const io::ModelConfig& config, const Partition& partition) {
  std::int64_t most = 0;
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    most = std::max(most, layer_values(config, layer, shard_of(partition, 0)));
  }
  return kFloat * static_cast<double>(most);
}

/// Rows of the widest network that a shard computes.
double widest_mlp(const io::ModelConfig& config, const Partition& partition) {
  std::int64_t widest = 0;
  for (const io::LayerForm& layer : config.layers) widest = std::max(widest, layer.intermediate_size);
  const double divided = std::ceil(static_cast<double>(widest) / partition.grid.shards);
  return std::max(divided, static_cast<double>(config.expert_size));
}

double activation_bytes(const Job& job, const Partition& partition) {
  const io::ModelConfig& config = job.checkpoint->config();
  const double length = static_cast<double>(job.length()), hidden = static_cast<double>(config.hidden_size);
  const double heads =
      static_cast<double>(config.head_dim) * (3 * largest(partition.heads) + 4 * largest(partition.kv_heads));
  const double mlp = std::min(length, 1024.0) * (3 * widest_mlp(config, partition) + hidden);
  return kFloat * (length * (2 * hidden + heads) + mlp + static_cast<double>(kOutputTileRows) * (hidden + length));
}

double memory_of(const Job& job, const Plan& plan) {
  const Partition& partition = plan.partition;
  const Residency residency = plan.residency;
  if (job.capture) return kBaseBytes + field_bytes(job, plan);
  const io::ModelConfig& config = job.checkpoint->config();
  const double hidden_states = kFloat * static_cast<double>(job.length()) * static_cast<double>(config.hidden_size);
  double weights = layer_bytes(config, partition), states = hidden_states;
  if (residency == Residency::stream) {
    states *= static_cast<double>(job.num_texts());
  } else {
    weights *= largest(partition.layers);
    weights += kFloat * largest(partition.vocabulary) * static_cast<double>(config.hidden_size);
  }
  return kBaseBytes + weights + states + activation_bytes(job, partition) + field_bytes(job, plan);
}

/// Weights of a layer that a token meets: of the routed experts, only the chosen.
double values_per_token(const io::ModelConfig& config, std::int64_t layer) {
  const Shard whole{0, 1, {0, config.num_heads}, {0, config.num_kv_heads}, {0, config.vocab_size}};
  const auto values = static_cast<double>(layer_values(config, layer, whole));
  if (!config.layers[static_cast<std::size_t>(layer)].routed) return values;
  const double matrices = config.gated ? 3 : 2;
  const double idle = static_cast<double>(config.routing->num_experts - config.routing->top_k);
  return values - idle * matrices * static_cast<double>(config.expert_size * config.hidden_size);
}

double forward_flops(const Job& job) {
  const io::ModelConfig& c = job.checkpoint->config();
  const double length = static_cast<double>(job.length()), hidden = static_cast<double>(c.hidden_size);
  const double widths = static_cast<double>(c.head_dim + c.value_dim), heads = static_cast<double>(c.num_heads);
  double layers = 0;
  for (std::int64_t l = 0; l < job.extents.num_layers; ++l) {
    layers += 2 * length * values_per_token(c, l) + length * length * widths * heads;
  }
  const double loss = job.has_loss() ? 2 * length * hidden * static_cast<double>(c.vocab_size) : 0;
  return static_cast<double>(job.num_texts()) * (layers + loss);
}

/// Causal logits formed once, up to the longest context where attention is measured; then each field by its route.
double field_flops(const Job& job, const std::vector<FieldPlan>& fields) {
  double attended = 0, per_head = 0;
  for (const FieldPlan& field : fields) {
    if (field.request.context <= kernels::cpu::kLongestAttention) {
      attended = std::max(attended, static_cast<double>(field.request.context));
    }
    per_head += field.flops;
  }
  per_head += attended * attended * static_cast<double>(job.head_dim);
  return per_head * static_cast<double>(job.extents.num_heads * job.measured_layers.size() * job.num_texts());
}

/// Journal and derived files: some 70 numbers, the singular values and two profiles a head and field.
std::uint64_t result_bytes(const Job& job, const std::vector<FieldPlan>& fields) {
  std::uint64_t per_head = 0;
  for (const FieldPlan& field : fields) {
    const std::int64_t context = field.request.context;
    const std::int64_t kept = field.request.route == kernels::Route::factored
                                  ? job.head_dim + 2
                                  : std::min<std::int64_t>(context, kernels::kKeptComponents);
    per_head += 3 * 8 * static_cast<std::uint64_t>(140 + kept + 2 * std::min<std::int64_t>(context, 256));
  }
  return 65536 +
         per_head * static_cast<std::uint64_t>(job.extents.num_heads * job.measured_layers.size() * job.num_texts());
}

std::uint64_t weight_bytes(const io::Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const io::Tensor* tensor : checkpoint.model_tensors()) bytes += tensor->data.size();
  return bytes;
}

std::vector<Grid> candidate_grids(const Job& job, const Options& options, int ranks) {
  if (options.grid.empty()) {
    const std::vector<Grid> grids = possible_grids(job.extents, ranks);
    if (!grids.empty()) return grids;
    return {Grid{1, ranks}};  // make_partition refuses it and says why
  }
  const Grid grid = parse_grid(options.grid);
  if (grid.ranks() != ranks) {
    throw InputError("--grid {} needs {} ranks, but {} run: start it with mpirun -n {} or leave --grid out",
                     options.grid, grid.ranks(), ranks, grid.ranks());
  }
  return {grid};
}

std::vector<Residency> candidate_residencies(const Job& job, const Options& options) {
  if (options.weights == "stream" || job.capture) return {Residency::stream};
  if (options.weights == "resident") return {Residency::resident};
  return {Residency::stream, Residency::resident};
}

/// Heads of a capture that ranks share are met by all ranks at once: one stage, in which a shard may have no head.
Partition shared_partition(const Job& job, const Options& options, int ranks) {
  if (!options.grid.empty() && parse_grid(options.grid).stages > 1) {
    throw InputError("--grid {}: ranks that share a capture's heads form one stage; use --grid 1x{} or leave it out",
                     options.grid, ranks);
  }
  const std::vector<Slice> kv_heads = divide(job.extents.num_kv_heads, ranks);
  std::vector<Slice> heads;
  for (const Slice& s : kv_heads) heads.push_back({s.begin * job.group_size(), s.end * job.group_size()});
  return {{1, ranks}, {{0, job.extents.num_layers}}, kv_heads, heads, divide(0, ranks)};
}

/// Why a rank with `limit` bytes cannot measure a field; empty where all can be.
std::string refusal_of(const std::vector<FieldPlan>& fields, int team, double limit) {
  for (const FieldPlan& field : fields) {
    if (static_cast<double>(field.bytes) <= limit) continue;
    const bool dense = field.request.route == kernels::Route::scalapack;
    return fmt::format(
        "not enough memory: the {} field at {} tokens by the {} route needs {} on a rank{}, but a rank has {}; use "
        "more "
        "ranks or hosts, shorter contexts, fewer --components{}",
        kernels::scope_name(field.request.scope), field.request.context, kernels::route_name(field.request.route),
        bytes_text(field.bytes), field.collective() && team > 1 ? fmt::format(" ({} share it)", team) : "",
        bytes_text(static_cast<std::uint64_t>(limit)), dense ? ", or another --spectrum" : "");
  }
  return {};
}

/// Grid, routes and memory of one choice; nothing else is filled in.
Plan candidate(const Job& job, const Options& options, const Grid& grid, Residency residency, double limit) {
  Plan plan;
  plan.residency = residency;
  plan.verified_heads = options.verify_dense;
  plan.null_draws = options.null_draws;
  plan.seed = options.seed;
  plan.fields = plan_fields(job, options, {job.capture ? grid.ranks() : grid.shards, limit});
  const bool collective = std::ranges::any_of(plan.fields, &FieldPlan::collective) || plan.verified_heads > 0;
  plan.partition =
      job.capture && collective ? shared_partition(job, options, grid.ranks()) : make_partition(job.extents, grid);
  plan.memory_bytes = static_cast<std::uint64_t>(memory_of(job, plan));
  const bool all_shared = job.capture && std::ranges::all_of(plan.fields, &FieldPlan::collective);
  plan.balance = all_shared ? 1 : balance_of(job, plan.partition, residency);
  return plan;
}

}  // namespace

Plan make_plan(const Job& job, const Options& options, const Machine& machine) {
  const double limit = static_cast<double>(machine.available_bytes) / machine.ranks_on_host;
  std::optional<Plan> best;
  std::uint64_t least_memory = 0;
  std::string refusal;
  for (const Grid& grid : candidate_grids(job, options, machine.ranks)) {
    for (const Residency residency : candidate_residencies(job, options)) {
      const Plan plan = candidate(job, options, grid, residency, limit);
      if (least_memory == 0 || plan.memory_bytes < least_memory) {
        least_memory = plan.memory_bytes;
        refusal = refusal_of(plan.fields, plan.partition.grid.shards, limit);
      }
      if (static_cast<double>(plan.memory_bytes) > limit) continue;
      const bool better = !best || plan.balance > best->balance + 1e-9 ||
                          (plan.balance > best->balance - 1e-9 && plan.memory_bytes < best->memory_bytes);
      if (better) best = plan;
    }
  }
  if (!best && !refusal.empty()) throw InputError("{}", refusal);
  if (!best) {
    throw InputError(
        "not enough memory: a rank needs at least {}, but {} ranks share the {} that are free on this host; "
        "use fewer ranks a host, shorter contexts, fewer texts, or --weights stream",
        bytes_text(least_memory), machine.ranks_on_host, bytes_text(machine.available_bytes));
  }
  best->forward_flops = job.checkpoint ? forward_flops(job) : 0;
  best->field_flops = field_flops(job, best->fields);
  best->weight_bytes = job.checkpoint ? weight_bytes(*job.checkpoint) : 0;
  best->result_bytes = result_bytes(job, best->fields);
  return *best;
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
  return fmt::format("{:<10} {:>8} tokens, {:<11} {}: {:.3g} GFLOP a head, {} a rank\n", "field", r.context,
                     kernels::scope_name(r.scope), how, field.flops * 1e-9, bytes_text(field.bytes));
}

}  // namespace

std::string describe(const Plan& plan, const Job& job, const Machine& machine) {
  const Grid& grid = plan.partition.grid;
  std::string out;
  const auto line = [&](const char* name, const std::string& value) { out += fmt::format("{:<10} {}\n", name, value); };
  line(job.capture ? "capture" : "model",
       fmt::format("{}: {} layers x {} heads over {} KV heads, head dimension {}", job.model_name(), job.num_layers,
                   job.extents.num_heads, job.extents.num_kv_heads, job.head_dim));
  line("texts", fmt::format("{}, first {} tokens each", job.num_texts(), job.length()));
  line("contexts", fmt::format("{}", fmt::join(job.contexts, ", ")));
  line("measures", fmt::format("layers {} to {}", job.measured_layers.begin, job.measured_layers.end - 1));
  for (const FieldPlan& field : plan.fields) out += describe_field(field, grid.shards);
  if (plan.verified_heads > 0) line("verifies", fmt::format("{} heads densely", plan.verified_heads));
  if (plan.null_draws > 0) line("null", fmt::format("{} Gaussian heads", plan.null_draws));
  line("ranks", fmt::format("{} = {} stages x {} shards, {:.0f} % of their time computing", grid.ranks(), grid.stages,
                            grid.shards, 100 * plan.balance));
  if (job.checkpoint) {
    line("weights", fmt::format("{}, {} read", plan.residency == Residency::stream ? "stream" : "resident",
                                bytes_text(plan.weight_bytes)));
  }
  line("memory", fmt::format("{} for the largest rank, {} ranks on a host with {} free", bytes_text(plan.memory_bytes),
                             machine.ranks_on_host, bytes_text(machine.available_bytes)));
  line("work",
       fmt::format("forward {:.3g} GFLOP, field {:.3g} GFLOP", plan.forward_flops * 1e-9, plan.field_flops * 1e-9));
  line("results", fmt::format("up to {}", bytes_text(plan.result_bytes)));
  return out;
}

}  // namespace logitfield
