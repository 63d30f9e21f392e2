#pragma once
#include <cstdint>

#include "io/slice.hpp"

namespace logitfield {

using io::Slice;

/// What is divided: layers over stages; KV heads (with their query heads) and vocabulary over shards
/// (MLP rows and experts too: Shard::part).
struct ModelExtents {
  std::int64_t num_layers = 0, num_heads = 0, num_kv_heads = 0, vocab_size = 0;
};

}  // namespace logitfield
