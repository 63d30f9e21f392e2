#pragma once
#include "kernels/cuda/heads.hpp"
#include "kernels/cuda/language.hpp"
#include "kernels/cuda/warp.hpp"

// Code shared by the kernels of the causal softmax. Four consecutive lanes share a row of logits.
namespace logitfield::kernels::cuda {

inline constexpr float kMasked = -std::numeric_limits<float>::infinity();
inline constexpr int kLanesPerRow = 4;

template <class T>
__device__ inline T row_sum(T value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}
/// Maximum of the row; NaN if one value is NaN.
__device__ inline float row_max(float value) {
  value = larger(value, __shfl_xor_sync(kAllLanes, value, 1));
  return larger(value, __shfl_xor_sync(kAllLanes, value, 2));
}

/// The logit of query i on key j from their product; masked if the query does not see the key.
__device__ inline float finish_logit(const HeadForm& form, float product, std::int64_t i, std::int64_t j) {
  if (j > i || j < form.mask.first_key(i)) return kMasked;
  float x = form.scale * product;
  if (form.slope != 0) x += form.slope * static_cast<float>(j - i);
  return form.cap > 0 ? tanhf(x / form.cap) * form.cap : x;
}

/// Turns a row's products into logits on the keys key_of(c). `all_seen`: the query sees all of them, as in most tiles.
template <int kCount, class KeyOf>
__device__ inline void finish_logits(const HeadForm& form, float (&row)[kCount], std::int64_t i, KeyOf key_of,
                                     bool all_seen) {
  if (all_seen && form.slope == 0 && form.cap == 0) {
    for (int c = 0; c < kCount; ++c) row[c] *= form.scale;
  } else {
    for (int c = 0; c < kCount; ++c) row[c] = finish_logit(form, row[c], i, key_of(c));
  }
}

/// Online softmax of a row (Milakov & Gimelshein 2018). add() takes in the logits of more keys (this lane's part of
/// them), overwrites them with their weights, and returns the factor by which to rescale earlier sums.
struct OnlineRow {
  float max = kMasked, sum = 0;
  /// exp(x - shift) = 2^(x log2(e) - shift log2(e)): one multiply-add and the unit for powers of two.
  static constexpr float kLog2E = 1.4426950408889634F;

  template <int kCount>
  __device__ float add(float (&logits)[kCount]) {
    float largest = max;
    for (int c = 0; c < kCount; ++c) largest = larger(largest, logits[c]);
    largest = row_max(largest);
    const float shift = largest == kMasked ? 0.F : largest;  // all masked so far: all weights are zero
    const float power = -shift * kLog2E, rescale = exp2f(fmaf(max, kLog2E, power));
    sum *= rescale;
    for (int c = 0; c < kCount; ++c) {
      logits[c] = exp2f(fmaf(logits[c], kLog2E, power));
      sum += logits[c];
    }
    max = largest;
    return rescale;
  }
};

/// Statistics of a row's softmax: largest logit, sum of weights w = exp(x - max), and sum of w (x - max). Sums over the
/// keys of one call are in float32, over all keys in float64; each lane holds its part.
struct RowSums {
  float max = kMasked;
  double weights = 0, weighted = 0;

  /// Takes in the logits of more keys.
  template <int kCount>
  __device__ void add(const float (&logits)[kCount]) {
    float largest = max;
    for (int c = 0; c < kCount; ++c) largest = larger(largest, logits[c]);
    raise(row_max(largest));
    float some_weights = 0, some_weighted = 0;
    for (int c = 0; c < kCount; ++c) {
      if (logits[c] == kMasked) continue;
      const float below = logits[c] - max, weight = expf(below);
      some_weights += weight;
      some_weighted += weight * below;
    }
    weights += static_cast<double>(some_weights);
    weighted += static_cast<double>(some_weighted);
  }
  /// out: largest logit, entropy, weight of position 0, whose logit the row's first lane knows. All lanes must call it.
  __device__ void write(float first_logit, bool writes, double* out) const {
    const double all = row_sum(weights), all_weighted = row_sum(weighted);
    if (!writes) return;
    out[0] = static_cast<double>(max);
    out[1] = log(all) - all_weighted / all;
    out[2] = exp(static_cast<double>(first_logit) - static_cast<double>(max)) / all;
  }

 private:
  __device__ void raise(float to) {
    if (to <= max) return;  // not for a NaN, which replaces max
    const double by = static_cast<double>(max) - static_cast<double>(to), factor = exp(by);
    weighted = weights > 0 ? (weighted + by * weights) * factor : 0.0;  // from -inf, by * 0 must not be formed
    weights *= factor;
    max = to;
  }
};

/// The first tile of `keys` keys in which some query from first_query on sees a key.
__device__ inline std::int64_t first_key_tile(const HeadForm& form, std::int64_t first_query, int keys) {
  return form.mask.first_key(first_query) / keys;
}

}  // namespace logitfield::kernels::cuda
