#include "kernels/cuda/householder.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/spectra/spectrum_operations.hpp"

// The second stage, one block a matrix. Sweep i makes row i bidiagonal. Its step j, with f = i + 1 + j b and b = kBand,
// shortens the row above (i if j = 0, else f - b) from column f on to one element, which fills the block below the
// diagonal; then column f from the diagonal on, which fills the block right of the band.
//
// - Step (i, j) touches rows f - b ... f + b - 1 only. At time 3 i + j the sweeps i and i + 1 are 3 b - 1 rows apart,
// so
//   their rows differ: all steps of one time are independent.
// - Step (i + 1, j) follows the steps (i, <= j + 2), which are the only ones of sweep i with rows up to f + b.
// - Row r of f ... f + b - 1 has elements in columns f ... f + 2 b - 1 during sweep i: kBandPlaces, so no two share a
//   place. In the next sweep the window is f + 1 ... f + 2 b, or for r = f the one before it, f + 1 - b ... f + b. The
//   columns it leaves have just been made zero (column f, or the row's end), as their places need to be for those that
//   it takes in.
namespace logitfield::kernels::cuda {
namespace {

/// More would leave too few registers.
constexpr int kMostWarps = 16;

/// The last rows are touched by all sweeps and are kept in shared memory, as many as fit.
struct Rows {
  double *device, *shared;
  int split;

  __device__ double* operator[](int row) const {
    return row < split ? device + row * kBandPlaces : shared + (row - split) * kBandPlaces;
  }
};

/// Place of the element that is `after` columns right of the diagonal.
__device__ int place(int after) { return after & (kBandPlaces - 1); }

/// The reflection of u, in every lane; u_0 is changed from x_0 to x_0 - beta.
__device__ Reflection reflection_of(double (&u)[kBand]) {
  double sums[4] = {};  // shorter chains of additions
#pragma unroll
  for (int k = 0; k < kBand; ++k) sums[k % 4] += u[k] * u[k];
  const Reflection r = reflection(u[0], (sums[0] + sums[1]) + (sums[2] + sums[3]));
  u[0] -= r.beta;
  return r;
}

/// y - g (u^T y) u
__device__ void reflect(const double (&u)[kBand], double g, double (&y)[kBand]) {
  double sums[4] = {};
#pragma unroll
  for (int k = 0; k < kBand; ++k) sums[k % 4] += u[k] * y[k];
  const double factor = g * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
#pragma unroll
  for (int k = 0; k < kBand; ++k) y[k] -= factor * u[k];
}

/// Lane l has row above + l.
__device__ void shorten_row(const Rows& rows, int above, int first, int lane) {
  const double* x = rows[above];
  double u[kBand], y[kBand];
#pragma unroll
  for (int k = 0; k < kBand; ++k) u[k] = x[place(first + k - above)];
  const int row = above + lane;
  const bool there = row < first + kBand;  // a sweep's first step has fewer rows
  double* own = rows[there ? row : above];
#pragma unroll
  for (int k = 0; k < kBand; ++k) y[k] = own[place(first + k - row)];
  __syncwarp();  // every lane has read x
  if (!there) return;
  const Reflection r = reflection_of(u);
  reflect(u, r.g, y);
#pragma unroll
  for (int k = 0; k < kBand; ++k) own[place(first + k - row)] = lane > 0 ? y[k] : (k == 0 ? r.beta : 0);
}

/// Lane l has column first + l.
__device__ void shorten_column(const Rows& rows, int first, int lane) {
  double u[kBand], y[kBand];
#pragma unroll
  for (int k = 0; k < kBand; ++k) {
    const double* row = rows[first + k];
    u[k] = row[place(-k)];
    y[k] = row[place(lane - k)];
  }
  __syncwarp();  // every lane has read x
  const Reflection r = reflection_of(u);
  reflect(u, r.g, y);
#pragma unroll
  for (int k = 0; k < kBand; ++k) rows[first + k][place(lane - k)] = lane > 0 ? y[k] : (k == 0 ? r.beta : 0);
}

__device__ void chase(const Rows& rows, int n) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  for (int time = 0; time <= 3 * (n - 2); ++time) {
    for (int sweep = time / 3 - warp; sweep >= 0; sweep -= warps) {
      const int step = time - 3 * sweep, first = sweep + 1 + step * kBand;
      if (first >= n) break;  // earlier sweeps are even further
      shorten_row(rows, step == 0 ? sweep : first - kBand, first, lane);
      __syncwarp();
      shorten_column(rows, first, lane);
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kMostWarps* kWarp)
    chase_bulges_kernel(double* bands, int n, int rows_in_shared, double* bidiagonals) {
  const int size = (n + kBand) * kBandPlaces, split = n + kBand - rows_in_shared;
  double* band = bands + blockIdx.x * band_size(n);
  const Rows rows{band, reinterpret_cast<double*>(shared_memory()), split};
  for (int e = split * kBandPlaces + static_cast<int>(threadIdx.x); e < size; e += static_cast<int>(blockDim.x)) {
    rows.shared[e - split * kBandPlaces] = band[e];
  }
  __syncthreads();
  chase(rows, n);
  double* out = bidiagonals + blockIdx.x * int64_t{2} * n;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
    out[2 * i] = rows[i][0];
    out[2 * i + 1] = i + 1 < n ? rows[i][1] : 0;
  }
}

}  // namespace

void chase_bulges(double* bands, int64_t n, int64_t count, double* bidiagonals, const Stream& stream) {
  constexpr int64_t kRowBytes = kBandPlaces * sizeof(double);
  const int64_t rows = n + kBand, room = static_cast<int64_t>(most_shared_memory()) / kRowBytes;
  const int64_t in_shared = rows < room ? rows : room, steps = n / (3 * kBand - 1) + 1;
  launch("chase_bulges", chase_bulges_kernel,
         Shape{dim3(static_cast<unsigned>(count)),
               dim3(static_cast<unsigned>((steps < kMostWarps ? steps : kMostWarps) * kWarp)),
               static_cast<std::size_t>(in_shared * kRowBytes)},
         stream, bands, static_cast<int>(n), static_cast<int>(in_shared), bidiagonals);
}

}  // namespace logitfield::kernels::cuda
