#pragma once
#include <cstdint>

#include "kernels/precision.hpp"

// Counts the memory that a block of a model takes, from the buffers of either back end. Planning uses these functions.
namespace logitfield::kernels {

/// Number of positions whose feed-forward network is computed together, on CPUs and on devices. Each is large enough
/// for products at full speed and small enough to bound memory.
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

/// Returns the most bytes that a CPU holds besides weights and hidden states. `fields`: bytes of the measurements,
/// which run between attention and network.
double block_bytes(const BlockSize& block, double fields);
/// Returns the most bytes that a device holds; it computes the network while fields are measured.
double device_block_bytes(const BlockSize& block, double fields);

}  // namespace logitfield::kernels
