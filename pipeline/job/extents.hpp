#pragma once
#include <cstdint>

#include "io/slice.hpp"

namespace logitfield {

using io::Slice;

/// The sizes that a partition divides: layers over stages, KV heads (with their query heads) and vocabulary over
/// shards. Shard::part divides MLP rows and experts in the same way.
struct ModelExtents {
  std::int64_t num_layers = 0, num_heads = 0, num_kv_heads = 0, vocab_size = 0;
};

}  // namespace logitfield
