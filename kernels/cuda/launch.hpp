#pragma once
#include <cstdint>

#include "kernels/cuda/language.hpp"
#include "kernels/cuda/runtime.hpp"

namespace logitfield::kernels::cuda {

using std::int64_t;

/// Numbers of blocks, of threads per block, and of bytes of dynamic shared memory.
struct Shape {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
};

/// Number of blocks of `size` that cover n.
inline unsigned blocks_for(int64_t n, int64_t size) { return static_cast<unsigned>((n + size - 1) / size); }

/// Blocks of a grid-stride loop over n elements.
inline Shape shape_for(int64_t n) {
  constexpr int64_t kThreads = 256, kMostBlocks = 1 << 16;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  return {dim3(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks)), dim3(kThreads)};
}

/// Starts a kernel on a stream; does nothing if there are no blocks. Throws DeviceError naming the kernel and its
/// shape.
template <class... Parameters>
void launch(const char* name, void (*kernel)(Parameters...), const Shape& shape, [[maybe_unused]] const Stream& stream,
            Parameters... arguments) {
  if (shape.blocks.x == 0 || shape.blocks.y == 0 || shape.blocks.z == 0) return;
#ifdef LOGITFIELD_EMULATION
  emulation::run(name, shape.blocks, shape.threads, shape.shared_bytes, [&] { kernel(arguments...); });
#else
  allow_shared_memory(reinterpret_cast<const void*>(kernel), name, shape.shared_bytes);
  void* pointers[] = {&arguments...};
  check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), shape.blocks, shape.threads, pointers,
                         shape.shared_bytes, static_cast<cudaStream_t>(stream.handle())),
        name, std::size_t{shape.blocks.x} * shape.blocks.y * shape.blocks.z);
#endif
}

/// The block's dynamic shared memory, aligned to 16 bytes.
__device__ inline char* shared_memory() {
#ifdef LOGITFIELD_EMULATION
  return emulation::shared_memory();
#else
  extern __shared__ __align__(16) char memory[];
  return memory;
#endif
}

/// First element and step of a grid-stride loop.
__device__ inline int64_t first_element() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }
__device__ inline int64_t element_step() { return int64_t{gridDim.x} * blockDim.x; }

}  // namespace logitfield::kernels::cuda
