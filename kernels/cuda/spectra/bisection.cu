#include "kernels/cuda/householder.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/spectra/spectrum_operations.hpp"

// Singular values by bisection. Those of a bidiagonal matrix are the positive eigenvalues of the tridiagonal matrix T
// of order 2 n with a zero diagonal and d_0, e_0, d_1, ... beside it (Golub & Kahan 1965). The leading minors of T - s,
// p_i = -s p_(i-1) - c_i^2 p_(i-2), change sign once for every eigenvalue below s. Computed minors are those of a
// matrix whose elements differ by roundings, as with the quotients of minors that LAPACK's dstebz counts. Minors need
// no division, whose latency would dominate the time. In exchange they are rescaled to size 1 every few steps.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 64, kMeasureThreads = 256;
/// Points inside an interval per round: chains of operations that hide each other's latency.
constexpr int kPoints = 3;
/// 3 points divide an interval by 4: the last one is 2^-54 of the first.
constexpr int kRounds = 27;
/// Least square of an element, where the largest is at most 1. It changes values by far less than rounding, and a minor
/// that is zero can only be followed by one that is not. Minors shrink by at most 1e-64 in two steps: eight do not
/// underflow.
constexpr double kLeastSquare = 1e-64;

/// One block per matrix: squares of its elements as Sturm counts take them, in units of a power of two above all
/// singular values.
__global__ void measure_bidiagonals_kernel(const double* bidiagonals, int64_t n, double* squares, double* units) {
  const double* c = bidiagonals + blockIdx.x * 2 * n;
  double bound = 0;
  for (int64_t i = threadIdx.x; i < 2 * n; i += kMeasureThreads) {
    bound = larger(bound, fabs(c[i]) + (i > 0 ? fabs(c[i - 1]) : 0));
  }
  bound = block_max(bound, reinterpret_cast<double*>(shared_memory()));
  const bool usual = bound > 0 && bound <= DBL_MAX;
  const int exponent = usual ? ilogb(bound) + 1 : 0;
  const double inverse = usual ? ldexp(1.0, -exponent) : 0;
  if (threadIdx.x == 0) units[blockIdx.x] = usual ? ldexp(1.0, exponent) : bound - bound;  // 0 or NaN
  double* out = squares + blockIdx.x * sturm_steps(n);
  for (int64_t i = threadIdx.x; i < sturm_steps(n); i += kMeasureThreads) {
    const double x = usual && 0 < i && i < 2 * n ? inverse * c[i - 1] : 0;
    out[i] = x * x > kLeastSquare ? x * x : kLeastSquare;
  }
}

__device__ std::int32_t upper_half(double x) {
  std::int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return static_cast<std::int32_t>(bits >> 32);
}

/// Two consecutive minors for a point.
struct Minors {
  double minus_point, last = 1, before = 0;
  int changes = 0;

  __device__ void step(double square) {
    const double next = fma(minus_point, last, -(square * before));
    changes += static_cast<int>(static_cast<std::uint32_t>(upper_half(next) ^ upper_half(last)) >> 31);
    before = last;
    last = next;
  }
  /// Multiplies both by a power of two; the larger one is then about 1.
  __device__ void rescale() {
    constexpr std::int32_t kExponent = 0x7ff00000, kSumOfInverses = 0x7fe00000;
    const std::int32_t a = upper_half(last) & kExponent, b = upper_half(before) & kExponent;
    const std::int64_t bits = static_cast<std::int64_t>(kSumOfInverses - (a > b ? a : b)) << 32;
    double power;
    memcpy(&power, &bits, sizeof power);
    last *= power;
    before *= power;
  }
};

/// Number of points low + width q / (kPoints + 1) that have at most `most` eigenvalues below them.
__device__ int points_with_at_most(const double* __restrict__ squares, int steps, double low, double width, int most) {
  Minors minors[kPoints];
#pragma unroll
  for (int q = 0; q < kPoints; ++q) minors[q].minus_point = -(low + width * ((q + 1) * (1.0 / (kPoints + 1))));
  for (int first = 0; first < steps; first += kSturmUnroll) {
    double square[kSturmUnroll];
#pragma unroll
    for (int u = 0; u < kSturmUnroll; ++u) square[u] = squares[first + u];
#pragma unroll
    for (int u = 0; u < kSturmUnroll; ++u) {
#pragma unroll
      for (int q = 0; q < kPoints; ++q) minors[q].step(square[u]);
    }
#pragma unroll
    for (int q = 0; q < kPoints; ++q) minors[q].rescale();
  }
  int out = 0;
#pragma unroll
  for (int q = 0; q < kPoints; ++q) out += minors[q].changes <= most;
  return out;
}

/// One thread per value. All of a matrix start with the same interval, so the values are in order whatever the rounding
/// of the counts.
__global__ void bisect_kernel(const double* squares, int n, const double* units, const double* scales, double* values) {
  const int blocks = (n + kThreads - 1) / kThreads;
  const int matrix = static_cast<int>(blockIdx.x) / blocks;
  const int value = static_cast<int>(blockIdx.x) % blocks * kThreads + static_cast<int>(threadIdx.x);
  if (value >= n) return;
  const auto steps = static_cast<int>(sturm_steps(n));
  // Below it are the n negative eigenvalues, zeros of the added steps, and the smaller values.
  const int most = n + (steps - 2 * n) + (n - 1 - value);
  double low = 0, width = 1;
  for (int round = 0; round < kRounds; ++round) {
    const int passed = points_with_at_most(squares + int64_t{matrix} * steps, steps, low, width, most);
    width *= 1.0 / (kPoints + 1);
    low += passed * width;
  }
  values[int64_t{matrix} * n + value] = (low + width / 2) * units[matrix] / scales[matrix];
}

}  // namespace

void bisect(const double* bidiagonals, int64_t n, int64_t count, const double* scales, double* squares, double* units,
            double* values, const Stream& stream) {
  launch("measure_bidiagonals", measure_bidiagonals_kernel,
         Shape{dim3(static_cast<unsigned>(count)), dim3(kMeasureThreads), kWarp * sizeof(double)}, stream, bidiagonals,
         n, squares, units);
  launch("bisect", bisect_kernel,
         Shape{dim3(static_cast<unsigned>(blocks_for(n, kThreads) * count)), dim3(kThreads), 0}, stream,
         static_cast<const double*>(squares), static_cast<int>(n), static_cast<const double*>(units), scales, values);
}

}  // namespace logitfield::kernels::cuda
