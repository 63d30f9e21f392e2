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

/// The logit of a query's product with the key `ahead` positions further on (negative: before it).
__device__ inline float logit_of(const HeadForm& form, float product, float ahead) {
  float x = form.scale * product;
  if (form.slope != 0) x += form.slope * ahead;
  return form.cap > 0 ? tanhf(x / form.cap) * form.cap : x;
}
/// The logit of query i on key j from their product; masked if the query does not see the key.
__device__ inline float finish_logit(const HeadForm& form, float product, std::int64_t i, std::int64_t j) {
  if (j > i || j < form.mask.first_key(i)) return kMasked;
  return logit_of(form, product, static_cast<float>(j - i));
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
  /// The weight of a member without a value; it may be infinite.
  __device__ float weight_of(float logit) const { return exp2f((logit - max) * kLog2E); }
};

/// The first tile of `keys` keys in which some query from first_query on sees a key.
__device__ inline std::int64_t first_key_tile(const HeadForm& form, std::int64_t first_query, int keys) {
  return form.mask.first_key(first_query) / keys;
}

}  // namespace logitfield::kernels::cuda
