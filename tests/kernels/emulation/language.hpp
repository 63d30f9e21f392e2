#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <type_traits>

// The part of the CUDA language that kernels/cuda uses, on one CPU core, for tests. Blocks run one after the other. The
// threads of a block are fibers, which yield at barriers and warp exchanges, in an order that a seed permutes. Shared
// and device memory hold NaNs, or large numbers, until they are written. Code that needs anything else does not
// compile.

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace emulation {

struct Place {
  dim3 grid, block, block_index, thread_index;
};
const Place& place();

/// Runs `thread` for every thread of every block. Throws std::logic_error if threads wait for each other for ever, or
/// if only some of a warp take part in an exchange.
void run(const char* name, dim3 blocks, dim3 threads, std::size_t shared_bytes, const std::function<void()>& thread);
/// Value of every byte of unwritten memory. 0xff gives NaNs (float32, float64, bf16).
/// LOGITFIELD_EMULATED_MEMORY_FILL=finite in the environment selects 0x5b, which gives large finite numbers:
/// comparisons and maxima, which may drop a NaN, take these in.
int fresh_byte();
/// Seed for the order of a block's threads; 0: by number.
void set_seed(unsigned seed);
char* shared_memory();
/// Bytes of shared memory that a block may have: by default an H100's.
inline constexpr std::size_t kSharedBytes = 227 * 1024;
void set_shared_bytes(std::size_t bytes);
std::size_t shared_bytes();

void block_barrier();
void warp_barrier();
/// Shows `value` (at most 64 bytes) to the other threads of the warp. Returns lane 0's value; those of the other lanes
/// follow at distances of kLaneBytes. Valid until the warp's next exchange but one.
inline constexpr std::size_t kLaneBytes = 64;
const std::byte* exchange(const void* value, std::size_t bytes);
int lane();

/// cp.async: a copy happens when it is waited for, as late as the rules allow.
void copy_later(void* to, const void* from, std::size_t bytes, std::size_t valid);
void commit_copies();
void wait_copies(std::size_t groups_left);

template <class T>
T from_lane(const std::byte* lanes, int source) {
  T out;
  __builtin_memcpy(&out, lanes + static_cast<std::size_t>(source) * kLaneBytes, sizeof out);
  return out;
}

}  // namespace emulation

#define gridDim (::emulation::place().grid)
#define blockDim (::emulation::place().block)
#define blockIdx (::emulation::place().block_index)
#define threadIdx (::emulation::place().thread_index)

inline void __syncthreads() { emulation::block_barrier(); }
inline void __syncwarp() { emulation::warp_barrier(); }
template <class T>
T __shfl_sync(unsigned, T value, int source) {
  return emulation::from_lane<T>(emulation::exchange(&value, sizeof value), source & 31);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return emulation::from_lane<T>(emulation::exchange(&value, sizeof value), emulation::lane() ^ mask);
}
template <class T>
T atomicAdd(T* target, T value) {
  const T before = *target;
  *target = before + value;
  return before;
}
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
