#pragma once
#include "kernels/cuda/attention_tile.hpp"

// Code shared by the kernels of the causal softmax on tensor cores. A block has kWarps warps, each with kTiles times 16
// queries. Rows of bf16 are in shared memory; their products are in accumulators. Keys and values loaded for one tile
// of queries are used for all tiles of the warp; otherwise shared memory would be the bottleneck. Sizes are known to
// the compiler, so that addresses are constant offsets; columns that a head does not have are zeros.
namespace logitfield::kernels::cuda::mma {

inline constexpr int kWarps = 4, kThreads = kWarp * kWarps;
/// Extra elements (16 bytes) per row in shared memory, so that the 8 rows of a small matrix fall into different banks.
inline constexpr int kPadding = 8;

/// Accumulators of [16 kTiles, kColumns]: value [m][t][2 half + e] of lane 4 g + q is in row 16 m + 8 half + g and in
/// column 8 t + 2 q + e.
template <int kTiles, int kColumns>
using Accumulators = float[kTiles][kColumns / 8][4];

/// Starts copying kRows rows of `width` from device memory; zeros in the other columns of kColumns and after the last
/// valid row. Eight threads copy 64 columns of a row.
template <int kRows, int kColumns>
__device__ inline void start_rows(const Bf16* from, int valid, int width, Bf16* to) {
  constexpr int kRowsAtOnce = kThreads / 8, kStride = kColumns + kPadding;
  static_assert(kRows % kRowsAtOnce == 0 && kColumns % 64 == 0);
  const int row = static_cast<int>(threadIdx.x) / 8, first_column = static_cast<int>(threadIdx.x) % 8 * 8;
  from += row * width + first_column;
  to += row * kStride + first_column;
#pragma unroll
  for (int start = 0; start < kRows; start += kRowsAtOnce) {
#pragma unroll
    for (int column = 0; column < kColumns; column += 64) {
      const bool there = row + start < valid && first_column + column < width;
      start_copy(to + start * kStride + column, from + column, there);
    }
    from += kRowsAtOnce * width;
  }
}

/// products += queries [16 kTiles, kColumns] * keys [kKeys, kColumns]^T.
template <int kTiles, int kKeys, int kColumns>
__device__ inline void multiply_keys(const Bf16* queries, const Bf16* keys, Accumulators<kTiles, kKeys>& products) {
  constexpr int kStride = kColumns + kPadding;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Bf16* query = queries + lane % 16 * kStride + lane / 16 * 8;
  const Bf16* key = keys + (lane % 8 + lane / 16 * 8) * kStride + lane / 8 % 2 * 8;
#pragma unroll
  for (int column = 0; column < kColumns; column += 16) {
    PackedA a[kTiles];
#pragma unroll
    for (int m = 0; m < kTiles; ++m) load_matrices<false>(a[m].a, query + m * 16 * kStride + column);
#pragma unroll
    for (int pair = 0; pair < kKeys / 16; ++pair) {
      std::uint32_t b[4];
      load_matrices<false>(b, key + pair * 16 * kStride + column);
#pragma unroll
      for (int m = 0; m < kTiles; ++m) {
        multiply_add(products[m][2 * pair], a[m], {b[0], b[1]});
        multiply_add(products[m][2 * pair + 1], a[m], {b[2], b[3]});
      }
    }
  }
}

/// Scores are products if logits are products times a positive scale, else logits; exp(logit) = 2^(factor score).
struct Scores {
  bool are_products;
  /// logit = unit score.
  float unit, factor;

  __device__ explicit Scores(const HeadForm& form)
      : are_products(form.slope == 0 && form.cap == 0 && form.scale > 0),
        unit(are_products ? form.scale : 1),
        factor(unit * OnlineRow::kLog2E) {}

  /// The score of a logit.
  __device__ float of(float logit) const { return logit / unit; }
};

/// The keys that a warp's queries, from `first_query` on, see. Positions are ints, which take fewer registers.
template <int kTiles>
class OwnQueries {
 public:
  __device__ OwnQueries(const HeadForm* form, int first_query)
      : form_(form),
        first_(first_query),
        first_seen_(static_cast<int>(form->mask.first_key(first_query))),
        seen_by_all_(static_cast<int>(form->mask.first_key(first_query + 16 * kTiles - 1))) {}

  /// Tells whether some query may see some key of a tile.
  template <int kKeys>
  __device__ bool see(int first_key) const {
    return first_key < first_ + 16 * kTiles && first_key + kKeys > first_seen_;
  }
  /// Tells whether all queries see all keys of a tile.
  template <int kKeys>
  __device__ bool see_all(int first_key) const {
    return first_key + kKeys - 1 <= first_ && first_key >= seen_by_all_;
  }
  /// Turns products into scores, and those of unseen keys into kMasked.
  template <int kKeys>
  __device__ void finish(const Scores& scores, int first_key, Accumulators<kTiles, kKeys>& products) const {
    if (scores.are_products && see_all<kKeys>(first_key)) return;
    const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int r = 0; r < 2 * kTiles; ++r) {
      const int query = first_ + 8 * r + g, last = query - first_key - 2 * q;
      const int first = static_cast<int>(form_->mask.first_key(query)) - first_key - 2 * q;
#pragma unroll
      for (int c = 0; c < kKeys / 4; ++c) {
        const int key = c / 2 * 8 + c % 2;  // and 2 q more, as `first` and `last`
        float& x = products[r / 2][c / 2][r % 2 * 2 + c % 2];
        if (!scores.are_products) x = logit_of(*form_, x, static_cast<float>(key - last));
        if (key > last || key < first) x = kMasked;
      }
    }
  }

 private:
  const HeadForm* form_;
  int first_, first_seen_, seen_by_all_;
};

/// Weights are 2^(factor (score - reference)) and need not be at most 1: a row's reference follows its largest score
/// only when weights would exceed 2^kSlack. So sums are seldom rescaled. The reference cancels in the end.
inline constexpr float kSlack = 8;
/// A reference before the first score: finite, so that it can be subtracted from any score.
inline constexpr float kNoReference = -std::numeric_limits<float>::max();
__device__ inline bool must_rise(float reference, float largest, float factor) {
  return (largest - reference) * factor > kSlack;
}
/// A weight is 2^(factor score - shift), shift = factor reference, in one multiply-add. The rounding of shifts up to
/// kMostShift is harmless; for others, references are subtracted from scores.
inline constexpr float kMostShift = 1024;
__device__ inline bool is_huge(float shift) { return fabsf(shift) > kMostShift; }

}  // namespace logitfield::kernels::cuda::mma
