#pragma once
#include <cstdint>

#include "kernels/precision.hpp"

// What a block of a model costs in memory, counted from the buffers of either back end: a plan asks here.
namespace logitfield::kernels {

/// Positions whose feed-forward network is computed together: on CPUs enough for full-speed products, few enough to
/// bound memory; on devices likewise.
inline constexpr std::int64_t kFeedForwardRows = 1024, kDeviceFeedForwardRows = 8192;

/// The part of a block that one shard computes for a text, and the operand type of its products.
struct BlockSize {
  std::int64_t length = 0, hidden_size = 0;
  std::int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0, value_dim = 0;
  /// Columns of the latent queries, keys and values; 0: projected directly.
  std::int64_t latent_size = 0;
  /// Rows of the widest feed-forward network.
  std::int64_t network_size = 0;
  Precision precision = Precision::float32;
};

/// Most bytes that a CPU holds besides weights and hidden states. `fields`: bytes of what is measured between attention
/// and network.
double block_bytes(const BlockSize& block, double fields);
/// The same of a device, which computes the network while fields are measured.
double device_block_bytes(const BlockSize& block, double fields);

}  // namespace logitfield::kernels
