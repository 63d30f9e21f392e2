#pragma once
#include <cstdint>

#include "kernels/cuda/language.hpp"

namespace logitfield::kernels::cuda {

/// A bfloat16 number: the upper half of a float32.
struct Bf16 {
  std::uint16_t bits;
};

__host__ __device__ inline float to_float(float x) { return x; }
__host__ __device__ inline float to_float(Bf16 x) {
  const std::uint32_t bits = std::uint32_t{x.bits} << 16;
  float out;
  memcpy(&out, &bits, sizeof out);
  return out;
}

/// Rounds to nearest, ties to even; NaN stays NaN.
template <class Number>
__host__ __device__ inline Number from_float(float x);
template <>
__host__ __device__ inline float from_float<float>(float x) {
  return x;
}
/// Without branches, so that compilers convert several numbers at a time.
template <>
__host__ __device__ inline Bf16 from_float<Bf16>(float x) {
  std::uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  const std::uint32_t rounded = bits + 0x7fffU + ((bits >> 16) & 1U), quiet = bits | 0x400000U;
  return {static_cast<std::uint16_t>((is_nan ? quiet : rounded) >> 16)};
}

/// Numbers that a thread loads and stores together, aligned to their size.
template <class T, int kCount>
struct alignas(kCount * sizeof(T)) Pack {
  T x[kCount];
};

}  // namespace logitfield::kernels::cuda
