#include <algorithm>

#include "kernels/field/device_fields.hpp"
#include "pipeline/plan/memory.hpp"
#include "pipeline/plan/shard.hpp"
#include "pipeline/plan/work.hpp"

namespace logitfield {
namespace {

/// Number of heads measured together: for a model all heads of a rank, for a capture those of one KV head.
double heads_at_a_time(const JobSizes& job, const Plan& plan) {
  return job.config ? largest(plan.partition.heads) : static_cast<double>(job.group_size());
}

/// Number of KV heads measured together.
double kv_heads_at_a_time(const JobSizes& job, const Plan& plan) {
  return job.config ? largest(plan.partition.kv_heads) : 1;
}

/// Bytes for the fields of one context: those of all heads, and one more for each host thread that runs the Krylov
/// method.
double fields_in(std::int64_t context, const JobSizes& job, const Plan& plan, int workers) {
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

double fields_of(const JobSizes& job, const Plan& plan, int workers) {
  double most = 0;
  for (const FieldPlan& field : plan.fields) {
    most = std::max(most, fields_in(field.request.context, job, plan, workers));
  }
  const std::int64_t attended = longest_attended(plan.fields);
  // Attention comes first: host threads take float32 heads one by one; bf16 heads are measured all at once.
  const double heads = heads_at_a_time(job, plan);
  const double attention =
      job.config && job.precision == kernels::Precision::bf16
          ? kernels::bf16_attention_device_bytes(attended, static_cast<std::int64_t>(heads))
          : std::min(static_cast<double>(workers), heads) * kernels::attention_device_bytes(attended, job.head_dim);
  return std::max(most, attention);
}

/// Bytes for the loss, a tile of the output matrix at a time.
double output_bytes(const JobSizes& job) {
  if (!job.has_loss()) return 0;
  const double length = static_cast<double>(job.length()), hidden = static_cast<double>(job.config->hidden_size);
  const double tile = static_cast<double>(kOutputTileRows);
  return operand_bytes(job.precision) * hidden * (length + tile) + kFloat * length * tile + 3 * kDouble * length;
}

double model_bytes(const JobSizes& job, const Plan& plan, int workers) {
  const double states = static_cast<double>(job.length() * job.config->hidden_size);
  const kernels::BlockSize block = largest_block(job, plan.partition);
  return operand_bytes(job.precision) * weight_values(job, plan, 2) + kFloat * held_texts(job, plan) * states +
         std::max(device_block_bytes(block, fields_of(job, plan, workers)), output_bytes(job));
}

}  // namespace

double device_memory_of(const JobSizes& job, const Plan& plan, int workers) {
  if (job.config) return model_bytes(job, plan, workers);
  const double rows =
      static_cast<double>(job.length()) * static_cast<double>(job.head_dim) * (heads_at_a_time(job, plan) + 1);
  return kFloat * rows + fields_of(job, plan, workers);
}

}  // namespace logitfield
