#pragma once
#include <span>

#include "bench/gpu/measure.hpp"
#include "kernels/precision.hpp"

namespace logitfield::bench::gpu {

/// Sizes of a layer of an 8 B or 70 B model, or small sizes for a quick test of everything.
struct LayerSizes {
  std::string name;
  Index length, hidden, heads, kv_heads, head_dim, mlp;
};
inline const LayerSizes k8B{"8 B", 8192, 4096, 32, 8, 128, 14336}, k70B{"70 B", 8192, 8192, 64, 8, 128, 28672};
inline const LayerSizes kSmall{"small", 150, 48, 4, 2, 16, 80}, kSmallToo{"small too", 150, 64, 4, 2, 16, 96};

/// Measures every kernel alone, each checked against the CPU.
void time_kernels(const Meter& meter, const LayerSizes& sizes, const TakeRow& take);
/// Measures the field statistics of a layer and their parts.
void time_fields(const Meter& meter, const LayerSizes& sizes, Index short_context, const TakeRow& take);
/// Measures the singular values of square matrices, computed together; also the stages alone if the matrices are large.
struct Batches {
  Index count, n;
  bool stages = false;
};
void time_spectra(const Meter& meter, std::span<const Batches> sizes, const TakeRow& take);
/// Measures a layer's forward pass in each precision.
void time_layers(const Meter& meter, const LayerSizes& sizes, const TakeRow& take);
/// Measures layers that come from the host, as numbers of type `source`, while others compute; puts a comparison in
/// `notes`.
void time_streaming(const Meter& meter, const LayerSizes& sizes, Precision source, const Ceilings& ceilings,
                    std::string& notes, const TakeRow& take);

}  // namespace logitfield::bench::gpu
