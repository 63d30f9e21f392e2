#pragma once
#include "bench/gpu/measure.hpp"

namespace logitfield::bench::gpu {

/// Sizes of a layer of an 8 B or 70 B model, or small ones that try everything quickly.
struct LayerSizes {
  std::string name;
  Index length, hidden, heads, kv_heads, head_dim, mlp;
};
inline const LayerSizes k8B{"8 B", 8192, 4096, 32, 8, 128, 14336}, k70B{"70 B", 8192, 8192, 64, 8, 128, 28672};
inline const LayerSizes kSmall{"small", 150, 48, 4, 2, 16, 80}, kSmallToo{"small too", 150, 64, 4, 2, 16, 96};

/// Rows for every kernel alone, each checked against the CPU.
std::vector<Row> kernel_rows(const Meter& meter, const LayerSizes& sizes);
/// Rows for the field statistics of a layer and for their parts.
std::vector<Row> field_rows(const Meter& meter, const LayerSizes& sizes, Index short_context);
/// layer_rows: a layer's forward pass in each precision. stream_rows: layers that come from the host while others
/// compute, with a comparison in `notes`.
std::vector<Row> layer_rows(const Meter& meter, const LayerSizes& sizes);
std::vector<Row> stream_rows(const Meter& meter, const LayerSizes& sizes, const Ceilings& ceilings, std::string& notes);

}  // namespace logitfield::bench::gpu
