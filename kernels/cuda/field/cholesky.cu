#include <limits>

#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Threads in a row and in a column of a block: no more than a small matrix needs.
constexpr int kMostSide = 32;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// A matrix that one block works on. The upper triangle becomes r; below the diagonal, the inverse x is stored
/// transposed: x(k, j) at (j, k). An odd stride keeps columns in different banks.
struct Triangle {
  double* values;
  double* diagonal;
  int width, stride;

  __device__ double& at(int i, int j) const { return values[i * stride + j]; }
};

/// Eliminates below every pivot; rows stay unscaled, so that one barrier a step is enough. False if a pivot is not
/// positive.
__device__ bool eliminate(const Triangle& a) {
  for (int k = 0; k < a.width; ++k) {
    const double pivot = a.at(k, k);
    if (!(pivot > 0)) return false;  // the same for all threads
    const double inverse = 1 / pivot;
    for (int i = k + 1 + static_cast<int>(threadIdx.y); i < a.width; i += static_cast<int>(blockDim.x)) {
      const double factor = a.at(k, i) * inverse;
      for (int j = k + 1 + static_cast<int>(threadIdx.x); j < a.width; j += static_cast<int>(blockDim.x)) {
        if (j >= i) a.at(i, j) -= factor * a.at(k, j);
      }
    }
    __syncthreads();
  }
  return true;
}

/// Divides the rows by the roots of their pivots: the triangle is r. Clears the places of the inverse.
__device__ void scale_rows(const Triangle& a) {
  for (int k = static_cast<int>(threadIdx.y); k < a.width; k += static_cast<int>(blockDim.x)) {
    if (threadIdx.x == 0) a.diagonal[k] = sqrt(a.at(k, k));
  }
  __syncthreads();
  for (int k = static_cast<int>(threadIdx.y); k < a.width; k += static_cast<int>(blockDim.x)) {
    for (int j = static_cast<int>(threadIdx.x); j < a.width; j += static_cast<int>(blockDim.x)) {
      if (j > k) a.at(k, j) /= a.diagonal[k];
      if (j < k) a.at(k, j) = 0;
    }
  }
  __syncthreads();
}

/// Solves r x = 1 from the last row on. A row of x is divided by its diagonal element when it is used and at the end.
__device__ void invert(const Triangle& a) {
  for (int m = a.width - 1; m > 0; --m) {
    for (int j = m + static_cast<int>(threadIdx.y); j < a.width; j += static_cast<int>(blockDim.x)) {
      const double x = (j == m ? 1 : a.at(j, m)) / a.diagonal[m];
      for (int k = static_cast<int>(threadIdx.x); k < m; k += static_cast<int>(blockDim.x))
        a.at(j, k) -= a.at(k, m) * x;
    }
    __syncthreads();
  }
}

__device__ double inverse_element(const Triangle& a, int k, int j) {
  if (k > j) return 0;
  return (k == j ? 1 : a.at(j, k)) / a.diagonal[k];
}

/// Norms and determinant of r, from one column per thread.
__device__ void judge(const Triangle& a, double* sums, double* checks) {
  const int own = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int j = own; j < a.width; j += static_cast<int>(blockDim.x * blockDim.y)) {
    double of_r = a.diagonal[j], of_inverse = 0;
    for (int k = 0; k < j; ++k) of_r += fabs(a.at(k, j));
    for (int k = 0; k <= j; ++k) of_inverse += fabs(inverse_element(a, k, j));
    sums[2 * j] = of_r;
    sums[2 * j + 1] = of_inverse;
  }
  __syncthreads();
  if (own != 0) return;
  double largest[2] = {}, logarithm = 0;
  for (int j = 0; j < a.width; ++j) {
    for (int n = 0; n < 2; ++n) largest[n] = sums[2 * j + n] <= largest[n] ? largest[n] : sums[2 * j + n];
    logarithm += log(a.diagonal[j]);
  }
  checks[kPositive] = 1;
  checks[kNorm] = largest[0];
  checks[kInverseNorm] = largest[1];
  checks[kLogDeterminant] = logarithm;
}

/// Trace, and distance from the identity, of a matrix that is still whole. `sums`: 2 width numbers.
__device__ void measure(const Triangle& a, double* sums, double* checks) {
  const int own = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int j = own; j < a.width; j += static_cast<int>(blockDim.x * blockDim.y)) {
    double sum = 0;
    for (int i = 0; i < a.width; ++i) {
      const double off = a.at(i, j) - (i == j ? 1 : 0);
      sum += off * off;
    }
    sums[j] = sum;
  }
  __syncthreads();
  if (own == 0) {
    double trace = 0, deviation = 0;
    for (int j = 0; j < a.width; ++j) {
      trace += a.at(j, j);
      deviation += sums[j];
    }
    checks[kPositive] = 0;
    checks[kTrace] = trace;
    checks[kDeviation] = sqrt(deviation);
  }
  __syncthreads();  // before the matrix changes
}

/// One block per matrix. Shared memory: diagonal, sums of columns, and the matrix where it has room.
__global__ void __launch_bounds__(kMostSide* kMostSide)
    cholesky_kernel(const double* gram, int64_t gram_stride, int width, double* scratch, double* r, double* inverse,
                    double* checks) {
  double* shared = reinterpret_cast<double*>(shared_memory());
  const int64_t matrix = blockIdx.x, size = int64_t{width} * width;
  const int stride = width | 1;
  const Triangle a{scratch ? scratch + matrix * width * stride : shared + 3 * width, shared, width, stride};
  gram += matrix * width * gram_stride;
  r += matrix * size;
  inverse += matrix * size;
  checks += matrix * kCholeskyChecks;
  for (int i = static_cast<int>(threadIdx.y); i < width; i += static_cast<int>(blockDim.x)) {
    for (int j = static_cast<int>(threadIdx.x); j < width; j += static_cast<int>(blockDim.x))
      a.at(i, j) = gram[i * gram_stride + j];
  }
  __syncthreads();
  measure(a, shared + width, checks);
  const bool positive = eliminate(a);
  if (positive) {
    scale_rows(a);
    invert(a);
    judge(a, shared + width, checks);
  }
  for (int k = static_cast<int>(threadIdx.y); k < width; k += static_cast<int>(blockDim.x)) {
    for (int j = static_cast<int>(threadIdx.x); j < width; j += static_cast<int>(blockDim.x)) {
      const double element = k < j ? a.at(k, j) : k == j ? a.diagonal[k] : 0;
      r[k * width + j] = positive ? element : kNan;
      inverse[k * width + j] = positive ? inverse_element(a, k, j) : kNan;
    }
  }
}

}  // namespace

void cholesky(const double* gram, int64_t gram_stride, int64_t count, int width, double* r, double* inverse,
              double* checks, const Stream& stream) {
  const int64_t size = int64_t{width} * (width | 1);
  const auto small = static_cast<std::size_t>(3 * width) * sizeof(double), all = small + size * sizeof(double);
  const bool fits = all <= most_shared_memory();
  const auto side = static_cast<unsigned>(width <= 8 ? 8 : width <= 64 ? 16 : kMostSide);
  const Buffer<double> scratch(fits ? 0 : count * size, stream);
  launch("cholesky", cholesky_kernel, Shape{dim3(static_cast<unsigned>(count)), dim3(side, side), fits ? all : small},
         stream, gram, gram_stride, width, scratch.data(), r, inverse, checks);
}

}  // namespace logitfield::kernels::cuda
