#include "kernels/cuda/householder.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/spectra/spectrum_operations.hpp"

// Scaling, and the bidiagonal form of matrices that fit in shared memory, one block a matrix.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kSmallThreads = 1024;

__device__ double largest_of(const double* values, int64_t begin, int64_t end, double* scratch) {
  double largest = 0;
  for (int64_t e = begin + threadIdx.x; e < end; e += blockDim.x) largest = larger(largest, fabs(values[e]));
  return block_max(largest, scratch);
}

__global__ void largest_elements_kernel(const double* matrices, int64_t size, double* parts) {
  const int64_t matrix = blockIdx.x / kScaleParts, part = blockIdx.x % kScaleParts;
  const double largest = largest_of(matrices + matrix * size, size * part / kScaleParts,
                                    size * (part + 1) / kScaleParts, reinterpret_cast<double*>(shared_memory()));
  if (threadIdx.x == 0) parts[blockIdx.x] = largest;
}

__global__ void scale_matrices_kernel(double* matrices, int64_t size, const double* parts, double* scales) {
  const int64_t matrix = blockIdx.x / kScaleParts, part = blockIdx.x % kScaleParts;
  const double scale =
      scale_for(largest_of(parts + matrix * kScaleParts, 0, kScaleParts, reinterpret_cast<double*>(shared_memory())));
  if (threadIdx.x == 0 && part == 0) scales[matrix] = scale;
  if (scale == 1) return;  // the whole block
  const int64_t end = size * (part + 1) / kScaleParts;
  for (int64_t e = size * part / kScaleParts + threadIdx.x; e < end; e += kThreads)
    matrices[matrix * size + e] *= scale;
}

/// Some of a block's threads work together on a column of `along` elements, others on the next ones: thread `column` +
/// width * group takes elements group, group + groups, ...
struct Columns {
  int width, groups, column, group;

  __device__ explicit Columns(int across) : width((across + kWarp - 1) / kWarp * kWarp) {
    groups = kSmallThreads / width;
    column = static_cast<int>(threadIdx.x) % width;
    group = static_cast<int>(threadIdx.x) / width;
  }
};

/// A vector x of `along` elements, `step` apart, and the vectors beside it, `next` apart: `across` in all, with x.
struct Vectors {
  double* x;
  int along, step, across, next;
};

/// Numbers that the threads of a block share.
struct Shared {
  double parts[kSmallThreads];
  /// x^T times each vector, and each vector's first element.
  double sums[kSmallMatrix], heads[kSmallMatrix];
  Reflection reflection;
};

__device__ void find_reflection(const Vectors& v, const Columns& mine, Shared& shared) {
  if (mine.group < mine.groups && mine.column < v.across) {
    const double* own = v.x + mine.column * v.next;
    double sum = 0;
#pragma unroll 4
    for (int a = mine.group; a < v.along; a += mine.groups) sum += v.x[a * v.step] * own[a * v.step];
    shared.parts[mine.group * mine.width + mine.column] = sum;
  }
  __syncthreads();
  if (const int c = static_cast<int>(threadIdx.x); c < v.across) {
    double sum = 0;
#pragma unroll 4
    for (int g = 0; g < mine.groups; ++g) sum += shared.parts[g * mine.width + c];
    shared.sums[c] = sum;
    shared.heads[c] = v.x[c * v.next];
    if (c == 0) shared.reflection = reflection(v.x[0], sum);
  }
  __syncthreads();
}

/// Reflects the vectors, so that x becomes (beta, 0, ..., 0). Returns beta; x itself stays as it is.
__device__ double reflect(const Vectors& v, Shared& shared) {
  const Columns mine(v.across);
  find_reflection(v, mine, shared);
  const Reflection r = shared.reflection;
  if (mine.group < mine.groups && 0 < mine.column && mine.column < v.across) {
    double* own = v.x + mine.column * v.next;
    const double factor = r.g * (shared.sums[mine.column] - r.beta * shared.heads[mine.column]);
#pragma unroll 4
    for (int a = mine.group; a < v.along; a += mine.groups) {
      own[a * v.step] -= factor * (a == 0 ? v.x[0] - r.beta : v.x[a * v.step]);
    }
  }
  __syncthreads();
  return r.beta;
}

/// From a row to the next one in shared memory: odd, so that a column is in as many banks as a row.
__host__ __device__ constexpr int stride_of(int n) { return n | 1; }

__global__ void __launch_bounds__(kSmallThreads)
    bidiagonalise_small_kernel(const double* matrices, int n, double* bidiagonals, double* scales) {
  Shared& shared = *reinterpret_cast<Shared*>(shared_memory());
  double* a = reinterpret_cast<double*>(&shared + 1);
  const double* matrix = matrices + int64_t{blockIdx.x} * n * n;
  const int stride = stride_of(n);
  const double scale = scale_for(largest_of(matrix, 0, int64_t{n} * n, shared.parts));
  for (int e = static_cast<int>(threadIdx.x); e < n * n; e += kSmallThreads) {
    a[e / n * stride + e % n] = matrix[e] * scale;
  }
  __syncthreads();
  double* out = bidiagonals + blockIdx.x * int64_t{2} * n;
  for (int k = 0; k < n; ++k) {
    double* corner = a + k * (stride + 1);
    const int rest = n - 1 - k;
    const double diagonal = reflect({corner, rest + 1, stride, rest + 1, 1}, shared);
    const double above = rest > 0 ? reflect({corner + 1, rest, 1, rest + 1, stride}, shared) : 0;
    if (threadIdx.x == 0) {
      out[2 * k] = diagonal;
      out[2 * k + 1] = above;
    }
  }
  if (threadIdx.x == 0) scales[blockIdx.x] = scale;
}

constexpr std::size_t kScratch = kWarp * sizeof(double);

std::size_t small_bytes(int64_t n) {
  return sizeof(Shared) + static_cast<std::size_t>(n * stride_of(static_cast<int>(n))) * sizeof(double);
}

}  // namespace

bool is_small(int64_t n) { return n <= kSmallMatrix && small_bytes(n) <= most_shared_memory(); }

void scale_matrices(double* matrices, int64_t size, int64_t count, double* scratch, double* scales,
                    const Stream& stream) {
  const Shape shape{dim3(static_cast<unsigned>(kScaleParts * count)), dim3(kThreads), kScratch};
  launch("largest_elements", largest_elements_kernel, shape, stream, static_cast<const double*>(matrices), size,
         scratch);
  launch("scale_matrices", scale_matrices_kernel, shape, stream, matrices, size, static_cast<const double*>(scratch),
         scales);
}

void bidiagonalise_small(const double* matrices, int64_t n, int64_t count, double* bidiagonals, double* scales,
                         const Stream& stream) {
  launch("bidiagonalise_small", bidiagonalise_small_kernel,
         Shape{dim3(static_cast<unsigned>(count)), dim3(kSmallThreads), small_bytes(n)}, stream, matrices,
         static_cast<int>(n), bidiagonals, scales);
}

}  // namespace logitfield::kernels::cuda
