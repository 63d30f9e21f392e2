#include "pipeline/plan/memory.hpp"

#include <algorithm>

#include "kernels/device.hpp"
#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/cost.hpp"
#include "pipeline/plan/shard.hpp"
#include "pipeline/plan/work.hpp"
#include "pipeline/scalapack/distributed_field.hpp"

namespace logitfield {
namespace {

/// Measured: memory of the libraries of a program with CUDA, even if it computes on CPUs.
constexpr double kCudaLibraryBytes = 160e6;
/// Assumed, not measured: host memory of the CUDA runtime, with up to 32 MiB of page-locked buffers.
constexpr double kCudaBytes = 600e6;
/// Measured: program and libraries before any data, with the mapped pieces of files being read (34 MB and two of 4
/// MiB); memory that MPI shares with other ranks; OpenBLAS's packed copies of large matrices, less for small ones.
constexpr double kProgramBytes = 38e6, kMpiBytes = 8e6, kPackingBytes = 16e6;

double base_bytes(const Plan& plan, double weights) {
  static const double cuda = kernels::list_devices().supported ? kCudaLibraryBytes : 0;
  const double mpi = plan.partition.grid.ranks() > 1 ? kMpiBytes : 0;
  return kProgramBytes + cuda + mpi + std::min(kPackingBytes, 2 * weights);
}

/// Bytes of the largest field, plus attention and the dense check.
double field_bytes(const JobSizes& job, const Plan& plan) {
  std::uint64_t most = 0;
  for (const FieldPlan& field : plan.fields) {
    most = std::max(most, field.bytes);
    if (plan.verified_heads > 0 && is_verifiable(field)) {
      most = std::max(most, dense_field_bytes(field.request.context, plan.partition.grid.shards));
    }
  }
  const std::int64_t attended = std::min(job.length(), kernels::kLongestAttention);
  return static_cast<double>(most) + kernels::attention_bytes(attended, job.head_dim);
}

/// Number of weights of the largest layer on the first shard, which has the most.
double largest_layer(const io::ModelConfig& config, const Partition& partition) {
  std::int64_t most = 0;
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    most = std::max(most, layer_values(config, layer, shard_of(partition, 0)));
  }
  return static_cast<double>(most);
}

/// Bytes that a rank with a GPU holds on its host in addition to the base: a layer being read, hidden states in
/// transit, fields.
double host_bytes_beside_gpu(const JobSizes& job, const Plan& plan) {
  const double fields = kCudaBytes + field_bytes(job, plan);
  if (job.is_capture()) return fields;
  const double hidden = static_cast<double>(job.config->hidden_size);
  const double states = 2 * static_cast<double>(job.length()) * hidden;
  const double read =
      std::max(largest_layer(*job.config, plan.partition), static_cast<double>(kOutputTileRows) * hidden);
  return fields + operand_bytes(job.precision) * read + kFloat * states;
}

/// Bytes for the loss, a tile of the output matrix at a time.
double loss_bytes(const JobSizes& job) {
  if (!job.has_loss()) return 0;
  const double length = static_cast<double>(job.length()), hidden = static_cast<double>(job.config->hidden_size);
  const double rounded = job.precision == kernels::Precision::bf16 ? operand_bytes(job.precision) : 0;
  return (kFloat + rounded) * length * hidden + kFloat * static_cast<double>(kOutputTileRows) * (hidden + length);
}

/// Bytes of a KV group drawn from another (--head-null), and of tiles of the original.
double drawn_bytes(const JobSizes& job, const Plan& plan) {
  if (plan.head_null.draws == 0) return 0;
  const double rows = 2 * static_cast<double>(job.contexts.back());
  return kFloat * rows * static_cast<double>(job.head_dim * (job.group_size() + 1));
}

}  // namespace

double held_texts(const JobSizes& job, const Plan& plan) {
  return plan.residency == Residency::stream ? static_cast<double>(job.num_texts) : 1;
}

double weight_values(const JobSizes& job, const Plan& plan, double layers) {
  const double layer = largest_layer(*job.config, plan.partition);
  if (plan.residency == Residency::stream) return layers * layer;
  const double output =
      job.has_loss() ? largest(plan.partition.vocabulary) * static_cast<double>(job.config->hidden_size) : 0;
  return largest(plan.partition.layers) * layer + output;
}

kernels::BlockSize largest_block(const JobSizes& job, const Partition& partition) {
  const io::ModelConfig& config = *job.config;
  std::int64_t widest = 0;
  for (const io::LayerForm& layer : config.layers) widest = std::max(widest, layer.intermediate_size);
  const std::int64_t divided = (widest + partition.grid.shards - 1) / partition.grid.shards;
  kernels::BlockSize block{.length = job.length(),
                           .hidden_size = config.hidden_size,
                           .num_heads = static_cast<std::int64_t>(largest(partition.heads)),
                           .num_kv_heads = static_cast<std::int64_t>(largest(partition.kv_heads)),
                           .head_dim = config.head_dim,
                           .value_dim = config.value_dim,
                           .network_size = std::max(divided, config.expert_size),
                           .precision = job.precision};
  if (config.latent) {
    block.latent_size = config.latent->key_value_size + config.latent->query_size + config.latent->shared_key_size;
  }
  return block;
}

double null_bytes(const JobSizes& job, const Plan& plan) {
  // Measured: bytes that the first rank holds for a draw and field while it collects them, without the lists of
  // numbers. It holds three copies of the lists: as measured, as sent and as read again.
  constexpr double kRecord = 16e3;
  double draw = 0;
  for (const FieldPlan& field : plan.fields) {
    draw += kRecord + 3 * kDouble * static_cast<double>(listed_numbers(job, field));
  }
  return static_cast<double>(plan.null_draws) * draw;
}

double memory_of(const JobSizes& job, const Plan& plan, int device_workers) {
  const double drawn = drawn_bytes(job, plan) + null_bytes(job, plan);
  if (device_workers > 0) {
    return base_bytes(plan, kPackingBytes) + host_bytes_beside_gpu(job, plan) + drawn;
  }
  if (job.is_capture()) return base_bytes(plan, kPackingBytes) + field_bytes(job, plan) + drawn;
  const double weights = operand_bytes(job.precision) * weight_values(job, plan, 1);
  const double states = held_texts(job, plan) * static_cast<double>(job.length() * job.config->hidden_size);
  const double activations =
      std::max(block_bytes(largest_block(job, plan.partition), field_bytes(job, plan)), loss_bytes(job));
  return base_bytes(plan, weights) + weights + kFloat * states + activations + drawn;
}

}  // namespace logitfield
