#pragma once
#include "kernels/cuda/attention_tile.hpp"

// Code shared by the kernels of the causal softmax on tensor cores. A block has kWarps warps, of 16 queries each. Rows
// of bf16 are in shared memory; logits are multiplied from them into accumulators.
namespace logitfield::kernels::cuda::mma {

inline constexpr int kWarps = 4, kQueries = 16 * kWarps, kThreads = kWarp * kWarps;
/// Extra elements (16 bytes) per row in shared memory, so that the 8 rows of a small matrix fall into different banks.
inline constexpr int kPadding = 8;

/// Starts copying `rows` rows of `width` from device memory; zeros after the last valid one.
__device__ inline void start_rows(const Bf16* from, std::int64_t valid, int rows, int width, Bf16* to) {
  const int eights = width / 8;
  for (int i = static_cast<int>(threadIdx.x); i < rows * eights; i += kThreads) {
    const int row = i / eights, column = i % eights * 8;
    const bool there = row < valid;
    start_copy(to + row * (width + kPadding) + column, from + (there ? std::int64_t{row} * width + column : 0), there);
  }
}

/// Waits until the block has a tile, whose copies were started before. If there is a next tile, starts its copies
/// first.
template <class StartTile>
__device__ inline void await_tile(std::int64_t tile, std::int64_t tiles, StartTile start_tile) {
  if (tile + 1 < tiles) {
    start_tile(tile + 1);
    wait_for_copies<1>();
  } else {
    wait_for_copies<0>();
  }
  __syncthreads();
}

/// logits [16, kKeys] of a warp's queries, in kKeys / 8 accumulators.
template <int kKeys>
__device__ inline void multiply_keys(const Bf16* queries, const Bf16* keys, int width, float (&logits)[kKeys / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, stride = width + kPadding;
  const Bf16* query = queries + lane % 16 * stride + lane / 16 * 8;
  const Bf16* key = keys + (lane % 8 + lane / 16 * 8) * stride + lane / 8 % 2 * 8;
  for (int column = 0; column < width; column += 16) {
    PackedA a;
    load_matrices<false>(a.a, query + column);
#pragma unroll
    for (int pair = 0; pair < kKeys / 16; ++pair) {
      std::uint32_t b[4];
      load_matrices<false>(b, key + pair * 16 * stride + column);
      multiply_add(logits[2 * pair], a, {b[0], b[1]});
      multiply_add(logits[2 * pair + 1], a, {b[2], b[3]});
    }
  }
}

/// Whether all queries of a warp, from first_query on, see all kKeys keys from first_key on.
template <int kKeys>
__device__ inline bool sees_all(const HeadForm& form, std::int64_t first_query, std::int64_t first_key) {
  return first_key + kKeys - 1 <= first_query && first_key >= form.mask.first_key(first_query + 15);
}

/// This lane's part of row g + 8 half of a warp's logits: value c belongs to key column_of(c).
template <int kKeys>
__device__ inline void row_of(const float (&logits)[kKeys / 8][4], int half, float (&row)[kKeys / 4]) {
#pragma unroll
  for (int c = 0; c < kKeys / 4; ++c) row[c] = logits[c / 2][2 * half + c % 2];
}
__device__ inline int column_of(int c) { return c / 2 * 8 + 2 * (static_cast<int>(threadIdx.x) % 4) + c % 2; }

}  // namespace logitfield::kernels::cuda::mma
