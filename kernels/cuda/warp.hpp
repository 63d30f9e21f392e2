#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/language.hpp"
#include "kernels/cuda/number.hpp"

// Operations of the 32 threads of a warp together: sums, tensor-core products (PTX ISA 8, sm_80 and later), and copies
// into shared memory that run in parallel with the threads. All PTX is in this file.
namespace logitfield::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffU;

template <class T>
__device__ inline T warp_sum(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kAllLanes, value, mask);
  return value;
}
/// NaN if one value is NaN (fmax would drop it).
template <class T>
__device__ inline T larger(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
__device__ inline T warp_max(T value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = larger(value, __shfl_xor_sync(kAllLanes, value, mask));
  return value;
}

/// 2^x to 2 units in the last place; 0 where the result would be subnormal. One instruction, where exp2f takes four.
__device__ inline float power_of_two(float x) {
#ifdef LOGITFIELD_EMULATION
  return exp2f(x);
#else
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
#endif
}

/// Sum over the threads of a block (a multiple of 32, at most 1024); every thread gets it. `scratch`: 32 values.
template <class T>
__device__ inline T block_sum(T value, T* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  value = warp_sum(value);
  __syncthreads();  // the previous sum may still use the scratch
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  return warp_sum(lane < warps ? scratch[lane] : T(0));
}

/// Registers of mma.m16n8k16 in the thread of lane 4 g + q:
/// - a[0]: row g, columns 2q and 2q + 1; a[1]: row g + 8; a[2], a[3]: the same 8 columns further on.
/// - b[0]: rows 2q and 2q + 1 of column g; b[1]: 8 rows further on.
/// - c[0], c[1]: row g, columns 2q and 2q + 1; c[2], c[3]: row g + 8.
struct PackedA {
  std::uint32_t a[4];
};
struct PackedB {
  std::uint32_t b[2];
};

/// Two numbers as bf16, the first in the lower half.
__device__ inline std::uint32_t pack(float low, float high) {
#ifdef LOGITFIELD_EMULATION
  return std::uint32_t{from_float<Bf16>(low).bits} | std::uint32_t{from_float<Bf16>(high).bits} << 16;
#else
  std::uint32_t out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
#endif
}

/// c += a b.
__device__ inline void multiply_add(float (&c)[4], const PackedA& a, const PackedB& b) {
#ifdef LOGITFIELD_EMULATION
  struct {
    PackedA a;
    PackedB b;
  } own{a, b};
  const std::byte* lanes = emulation::exchange(&own, sizeof own);
  const auto half = [](std::uint32_t both, int which) {
    return to_float(Bf16{static_cast<std::uint16_t>(which == 0 ? both & 0xffffU : both >> 16)});
  };
  const int g = emulation::lane() / 4, q = emulation::lane() % 4;
  for (int i = 0; i < 4; ++i) {
    const int row = i / 2, column = 2 * q + i % 2;
    for (int k = 0; k < 16; ++k) {
      const auto left = emulation::from_lane<decltype(own)>(lanes, 4 * g + k % 8 / 2).a.a[row + k / 8 * 2];
      const auto right = emulation::from_lane<decltype(own)>(lanes, 4 * column + k % 8 / 2).b.b[k / 8];
      c[i] += half(left, k % 2) * half(right, k % 2);
    }
  }
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a.a[0]), "r"(a.a[1]), "r"(a.a[2]), "r"(a.a[3]), "r"(b.b[0]), "r"(b.b[1]));
#endif
}

/// ldmatrix.x4: loads four matrices of 8 x 8 bf16 from shared memory. Lane l gives the address of row l % 8 of matrix l
/// / 8 (aligned to 16 bytes). Of each matrix, lane 4 g + q gets columns 2q and 2q + 1 of row g; transposed: rows 2q and
/// 2q + 1 of column g.
template <bool kTransposed>
__device__ inline void load_matrices(std::uint32_t (&out)[4], const Bf16* row) {
#ifdef LOGITFIELD_EMULATION
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) throw std::logic_error("ldmatrix: the address is not aligned");
  const std::byte* lanes = emulation::exchange(&row, sizeof row);
  const int g = emulation::lane() / 4, q = emulation::lane() % 4;
  const auto at = [&](int matrix, int r, int c) {
    return std::uint32_t{emulation::from_lane<const Bf16*>(lanes, 8 * matrix + r)[c].bits};
  };
  for (int i = 0; i < 4; ++i) {
    out[i] = kTransposed ? at(i, 2 * q, g) | at(i, 2 * q + 1, g) << 16 : at(i, g, 2 * q) | at(i, g, 2 * q + 1) << 16;
  }
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(address)
                 : "memory");
  }
#endif
}

/// Starts copying 16 bytes from device to shared memory, both aligned to 16 bytes. Zeros if not `valid` (`from` is not
/// read).
__device__ inline void start_copy(void* to, const void* from, bool valid) {
#ifdef LOGITFIELD_EMULATION
  if (reinterpret_cast<std::uintptr_t>(to) % 16 != 0 || reinterpret_cast<std::uintptr_t>(from) % 16 != 0) {
    throw std::logic_error("cp.async: an address is not aligned");
  }
  emulation::copy_later(to, from, 16, valid ? 16 : 0);
#else
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(valid ? 16 : 0)
               : "memory");
#endif
}
/// Ends a group of copies that this thread started.
__device__ inline void end_copies() {
#ifdef LOGITFIELD_EMULATION
  emulation::commit_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/// Waits for all of this thread's groups except the last kLeft; other threads see the copies after a barrier.
template <int kLeft>
__device__ inline void wait_for_copies() {
#ifdef LOGITFIELD_EMULATION
  emulation::wait_copies(kLeft);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

}  // namespace logitfield::kernels::cuda
