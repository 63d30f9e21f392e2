#pragma once
#include "kernels/cuda/heads.hpp"
#include "kernels/cuda/language.hpp"
#include "kernels/cuda/warp.hpp"

// What the two attention kernels share. Four consecutive lanes share a row of logits.
namespace logitfield::kernels::cuda {

inline constexpr float kMasked = -std::numeric_limits<float>::infinity();
inline constexpr int kLanesPerRow = 4;

template <class T>
__device__ inline T row_sum(T value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}
__device__ inline float row_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

/// The logit of query i on key j from their product; masked where the query does not see the key.
__device__ inline float finish_logit(const HeadForm& form, float product, std::int64_t i, std::int64_t j,
                                     std::int64_t window) {
  if (j > i || j <= i - window) return kMasked;
  float x = form.scale * product;
  if (form.slope != 0) x += form.slope * static_cast<float>(j - i);
  return form.cap > 0 ? tanhf(x / form.cap) * form.cap : x;
}

/// Online softmax of a row (Milakov & Gimelshein 2018): takes in the logits of some more keys (this lane's part of
/// them; overwritten by their weights) and returns the factor of what was summed before.
struct OnlineRow {
  float max = kMasked, sum = 0;

  template <int kCount>
  __device__ float add(float (&logits)[kCount]) {
    float largest = max;
    for (int c = 0; c < kCount; ++c) largest = fmaxf(largest, logits[c]);
    largest = row_max(largest);
    const float shift = largest == kMasked ? 0.F : largest;  // all masked as yet: all weights are zero
    const float rescale = expf(max - shift);
    sum *= rescale;
    for (int c = 0; c < kCount; ++c) {
      logits[c] = expf(logits[c] - shift);
      sum += logits[c];
    }
    max = largest;
    return rescale;
  }
};

/// The tiles of kKeys keys that queries first ... last see: the first of them.
__device__ inline std::int64_t first_key_tile(std::int64_t first_query, std::int64_t window, int keys) {
  const std::int64_t first = first_query - window + 1;
  return first > 0 ? first / keys : 0;
}

}  // namespace logitfield::kernels::cuda
