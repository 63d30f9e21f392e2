#pragma once
#include "kernels/cuda/field/field_operations.hpp"

// Kernels behind kernels::DirectProducts: a field's products with the probes, and the energies of some keys, directly
// from float32 queries and keys. They share neither factors, nor means, nor cuBLAS with the routes.
namespace logitfield::kernels::cuda {

/// Room for the positions of sampled keys.
inline constexpr int kSampledKeys = 16;

/// Sums over the keys of each tile, weighted by 1 and by the probes: out [heads, tiles, 1 + kVectors, columns + 2].
void key_sums(const HeadRows& keys, const double* probes, double* out, const Stream& stream);

/// causal_mean: means are over the keys j <= i, else over all; masked: products too. `members` query heads read a KV
/// head. Of the sampled keys, `sampled` count.
struct DirectSizes {
  std::int64_t members = 1;
  bool causal_mean = false, masked = false;
  int sampled = 0;
};
/// products [heads, length, kVectors] of all query heads. energies [heads, tiles, kSampledKeys]: parts of the energies
/// of the sampled keys, tile of queries by tile. scales, slopes [heads]; sampled [kSampledKeys]; probes [kVectors,
/// length]; `before` and `all` [KV heads, 1 + kVectors, columns + 2]: sums of key_sums over the tiles before each tile,
/// and over all tiles. Keys may have at most most_direct_columns() columns.
void direct_products(const DirectSizes& sizes, const HeadRows& queries, const HeadRows& keys, const double* scales,
                     const double* slopes, const std::int64_t* sampled, const double* probes, const double* before,
                     const double* all, double* products, double* energies, const Stream& stream);
int most_direct_columns();

}  // namespace logitfield::kernels::cuda
