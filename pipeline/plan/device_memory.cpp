#include <algorithm>
#include <cmath>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/device_fields.hpp"
#include "pipeline/plan/memory.hpp"
#include "pipeline/plan/shard.hpp"
#include "pipeline/plan/work.hpp"

// Sizes of the buffers of kernels/cuda at the worst moment of a layer.
namespace logitfield {
namespace {

/// Rows of an MLP that are computed together (kernels/cuda/block.cpp), and of a strip of attention logits.
constexpr double kMlpRows = 8192, kStripRows = static_cast<double>(kernels::kRowPadding);

double up_to(double x, double multiple) { return std::ceil(x / multiple) * multiple; }

/// Bytes for a query head's attention in float64: its keys, a strip of logits, and the statistics of each row.
double attention_of(double length, double d) {
  const double strip = std::min(length, kStripRows);
  return kDouble * (up_to(length, kStripRows) * d + kStripRows * d + strip * length + 3 * length);
}

/// Heads measured together: all of a rank's for a model, those of one KV head for a capture.
double heads_at_a_time(const Job& job, const Plan& plan) {
  return job.config ? largest(plan.partition.heads) : static_cast<double>(job.group_size());
}

/// KV heads measured together, likewise.
double kv_heads_at_a_time(const Job& job, const Plan& plan) {
  return job.config ? largest(plan.partition.kv_heads) : 1;
}

/// Bytes for the fields of one context: of all heads at once, and of one more for each host thread that applies the
/// Krylov method.
double fields_in(std::int64_t context, const Job& job, const Plan& plan, int workers) {
  const auto kv_heads = static_cast<std::int64_t>(kv_heads_at_a_time(job, plan));
  const auto heads = static_cast<std::int64_t>(heads_at_a_time(job, plan));
  kernels::DeviceFields fields{.context = context,
                               .head_dim = job.head_dim,
                               .kv_heads = kv_heads,
                               .members = std::max<std::int64_t>(1, heads / kv_heads)};
  bool any = false, krylov = false;
  for (const FieldPlan& field : plan.fields) {
    if (field.request.context != context || field.collective()) continue;
    any = true;
    fields.factored |= field.request.route == kernels::Route::factored;
    fields.dense |= field.request.route == kernels::Route::dense;
    krylov |= field.request.route == kernels::Route::krylov;
  }
  if (!any) return 0;
  const double threads = std::min<double>(workers, static_cast<double>(heads));
  return kernels::device_bytes(fields) + (krylov ? threads * kernels::krylov_device_bytes(context, job.head_dim) : 0);
}

double fields_of(const Job& job, const Plan& plan, int workers) {
  double most = 0;
  for (const FieldPlan& field : plan.fields) {
    most = std::max(most, fields_in(field.request.context, job, plan, workers));
  }
  const double attended = static_cast<double>(longest_attended(plan.fields));
  // Attention comes first: host threads take float32 heads one by one; bf16 heads are measured all at once.
  const double heads = heads_at_a_time(job, plan);
  const double attention =
      job.config && job.precision == "bf16"
          ? kDouble * 3 * heads * attended
          : std::min(static_cast<double>(workers), heads) * attention_of(attended, static_cast<double>(job.head_dim));
  return std::max(most, attention);
}

/// Bytes of a layer's Q and K (as kept, and as they enter the dot products) and of V as it enters them.
struct HeadBytes {
  double kept = 0, values = 0;
};

HeadBytes heads_of(const io::ModelConfig& config, double length, double heads, double kv_heads, double number) {
  const double d = static_cast<double>(config.head_dim), v = static_cast<double>(config.value_dim);
  const double plain = kFloat * length * d * (heads + kv_heads),
               narrow = number * length * up_to(d, 16) * (heads + kv_heads);
  return {plain + narrow, number * length * up_to(v, 16) * kv_heads};
}

double model_bytes(const Job& job, const Plan& plan, int workers) {
  const io::ModelConfig& config = *job.config;
  const Partition& partition = plan.partition;
  const double number = product_number(job);
  const double length = static_cast<double>(job.length()), hidden = length * static_cast<double>(config.hidden_size);
  const double heads = largest(partition.heads), kv_heads = largest(partition.kv_heads);
  const double d = static_cast<double>(config.head_dim), v = static_cast<double>(config.value_dim);
  const HeadBytes qk = heads_of(config, length, heads, kv_heads, number);
  double latent = 0;
  if (config.latent) {
    latent =
        kFloat * length *
        static_cast<double>(config.latent->key_value_size + config.latent->query_size + config.latent->shared_key_size);
  }
  const double projected = latent + kFloat * length * (d * (heads + kv_heads) + v * kv_heads);
  const double projecting = projected + number * hidden;
  const double mixing = projected + qk.kept + qk.values + number * length * v * heads + kFloat * hidden;
  const double inner = 3 * widest_mlp(config, partition);
  const double mlp = qk.kept + (number + 3 * kFloat) * hidden + std::min(length, kMlpRows) * number * inner;
  // The network is computed while fields are measured.
  const double measuring = mlp + fields_of(job, plan, workers);
  const double tile = static_cast<double>(kOutputTileRows);
  const double output = job.has_loss() ? number * (hidden + tile * static_cast<double>(config.hidden_size)) +
                                             kFloat * length * tile + 3 * kDouble * length
                                       : 0;
  return number * weight_values(job, plan, 2) + kFloat * held_texts(job, plan) * hidden +
         std::max({projecting, mixing, measuring, output});
}

}  // namespace

double device_memory_of(const Job& job, const Plan& plan, int workers) {
  if (job.config) return model_bytes(job, plan, workers);
  const double rows =
      static_cast<double>(job.length()) * static_cast<double>(job.head_dim) * (heads_at_a_time(job, plan) + 1);
  return kFloat * rows + fields_of(job, plan, workers);
}

}  // namespace logitfield
