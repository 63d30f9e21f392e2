#include <algorithm>
#include <limits>

#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 512;
constexpr double kBehindAll = std::numeric_limits<double>::infinity();

/// Swaps pairs that are `step` apart so that runs of 2 * block are bitonic: ascending and descending in turn.
__device__ void compare_pairs(double* own, int size, int block, int step) {
  for (int e = static_cast<int>(threadIdx.x); e < size / 2; e += kThreads) {
    const int i = 2 * e - (e & (step - 1));  // the e-th place whose bit `step` is zero
    const double a = own[i], b = own[i + step];
    const bool ascends = (i & block) == 0;
    if ((a > b) != ascends) continue;
    own[i] = b;
    own[i + step] = a;
  }
}

/// Bitonic sort (Batcher 1968) of a run in shared memory, where infinities fill it up to a power of two. One block per
/// run; blockIdx.y is the row.
__global__ void sort_runs_kernel(const double* values, int64_t stride, int64_t length, double* out) {
  double* own = reinterpret_cast<double*>(shared_memory());
  const int64_t begin = int64_t{blockIdx.x} * kSortedRun;
  const int count = static_cast<int>(length - begin < kSortedRun ? length - begin : kSortedRun);
  int size = 1;
  while (size < count) size *= 2;
  values += blockIdx.y * stride + begin;
  out += blockIdx.y * length + begin;
  for (int e = static_cast<int>(threadIdx.x); e < size; e += kThreads) own[e] = e < count ? values[e] : kBehindAll;
  __syncthreads();
  for (int block = 2; block <= size; block *= 2) {
    for (int step = block / 2; step > 0; step /= 2) {
      compare_pairs(own, size, block, step);
      __syncthreads();
    }
  }
  for (int e = static_cast<int>(threadIdx.x); e < count; e += kThreads) out[e] = own[e];
}

}  // namespace

void sort_runs(const double* values, int64_t count, int64_t stride, int64_t length, double* out, const Stream& stream) {
  std::int64_t size = 1;
  while (size < std::min(length, kSortedRun)) size *= 2;
  const Shape shape{dim3(blocks_for(length, kSortedRun), static_cast<unsigned>(count)), dim3(kThreads),
                    static_cast<std::size_t>(size) * sizeof(double)};
  launch("sort_runs", sort_runs_kernel, shape, stream, values, stride, length, out);
}

}  // namespace logitfield::kernels::cuda
