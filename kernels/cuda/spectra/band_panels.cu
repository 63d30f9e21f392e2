#include "kernels/cuda/householder.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/spectra/spectrum_operations.hpp"

// The panels of the first stage, one block a matrix. A panel is kept by columns, an odd number of elements apart, in
// shared memory, or in device memory if it does not fit. Every column costs one pass over the panel: it applies a
// reflection and sums what the next one needs, which includes the products of the reflections' vectors.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kMostThreads = 512;
static_assert(2 * kBand == kWarp);  // see totals_of_warp

/// Numbers that the threads of a block share.
struct Shared {
  /// Sums of each warp.
  double parts[kMostThreads / kWarp][kBand];
  /// v_i^T v_j for i < j.
  double gram[kBand][kBand];
  /// Column k loses factors[k] v.
  double factors[kBand];
  double diagonal[kBand], tau[kBand];
  /// v = shrink x below the first element, which is 1.
  double shrink;
  /// The first rows of v of the columns: v_k in row k.
  double top[kBand][kBand];
};

/// A panel that is decomposed: rows [rows, kBand], by columns.
struct Columns {
  double* values;
  int rows, stride;

  __device__ double& at(int row, int column) const { return values[column * stride + row]; }
};

/// Exchanges half of the 2 kWidth sums of each lane with another lane, which adds them to its own.
template <int kWidth>
__device__ void halve(double (&sums)[kBand]) {
  const bool upper = (static_cast<int>(threadIdx.x) & 2 * kWidth) != 0;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const double kept = upper ? sums[i + kWidth] : sums[i], given = upper ? sums[i] : sums[i + kWidth];
    sums[i] = kept + __shfl_xor_sync(kAllLanes, given, 2 * kWidth);
  }
}

/// Sums over a warp of kBand numbers of each lane: lanes 2 k and 2 k + 1 get that of number k, after 16 exchanges
/// instead of 80.
__device__ double totals_of_warp(double (&sums)[kBand]) {
  halve<8>(sums);
  halve<4>(sums);
  halve<2>(sums);
  halve<1>(sums);
  return sums[0] + __shfl_xor_sync(kAllLanes, sums[0], 1);
}

/// Products of column `pivot`, from row `pivot` on, with every column: x^T a_k of the later ones, x^T v_k of the
/// earlier ones. Each thread brings its own rows' sums; warp 0 gets the totals, number k in lanes k and k + kBand.
__device__ double total(double (&sums)[kBand], Shared& shared) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const double own = totals_of_warp(sums);
  if (lane % 2 == 0) shared.parts[warp][lane / 2] = own;
  __syncthreads();  // also: the pass over the panel is complete
  if (warp > 0) return 0;
  double sum = 0;
  for (int w = lane / kBand; w < warps; w += 2) sum += shared.parts[w][lane % kBand];
  return sum + __shfl_xor_sync(kAllLanes, sum, kBand);
}

/// What the pass for column `pivot` needs, from the totals; by one warp.
__device__ void prepare(const Columns& panel, int pivot, double sum, Shared& shared) {
  const int k = static_cast<int>(threadIdx.x) % kBand;
  const bool there = pivot < panel.rows;
  const double squares = __shfl_sync(kAllLanes, sum, pivot), first = there ? panel.at(pivot, pivot) : 0;
  const Reflection r = reflection(first, squares);
  // I - tau v v^T with v_0 = 1, since v must neither be huge nor tiny in products of several.
  const double step = first - r.beta, shrink = r.g == 0 ? 0 : 1 / step, tau = r.g * step * step;
  const double along = there ? shrink * (sum - r.beta * panel.at(pivot, k)) : 0;  // v^T a_k, or v^T v_k
  if (threadIdx.x >= kBand) return;
  if (k < pivot) shared.gram[k][pivot] = along;
  if (k > pivot) shared.factors[k] = tau * along;
  if (k == pivot) {
    shared.diagonal[k] = r.beta;
    shared.tau[k] = tau;
    shared.shrink = shrink;
  }
}

/// Reflects the panel's rows from `pivot` on, turns column `pivot` into v, and sums for the next column.
__device__ void pass(const Columns& panel, int pivot, const Shared& shared, double (&sums)[kBand]) {
#pragma unroll
  for (int k = 0; k < kBand; ++k) sums[k] = 0;
  for (int row = pivot + static_cast<int>(threadIdx.x); row < panel.rows; row += static_cast<int>(blockDim.x)) {
    double a[kBand], next = 0;
#pragma unroll
    for (int k = 0; k < kBand; ++k) a[k] = panel.at(row, k);
    double v = 0;
#pragma unroll
    for (int k = 0; k < kBand; ++k) v = k == pivot ? a[k] : v;
    v = row == pivot ? 1 : shared.shrink * v;
#pragma unroll
    for (int k = 0; k < kBand; ++k) {
      if (k < pivot) continue;
      a[k] = k == pivot ? v : a[k] - shared.factors[k] * v;
      panel.at(row, k) = a[k];
      if (k == pivot + 1) next = a[k];
    }
    if (row == pivot) continue;  // finished
#pragma unroll
    for (int k = 0; k < kBand; ++k) sums[k] += next * a[k];
  }
}

/// QR of a panel: the triangle is left above the diagonal and in shared.diagonal, the vectors v from it on.
__device__ void triangulate(const Columns& panel, Shared& shared) {
  double sums[kBand] = {};
  for (int row = static_cast<int>(threadIdx.x); row < panel.rows; row += static_cast<int>(blockDim.x)) {
#pragma unroll
    for (int k = 0; k < kBand; ++k) sums[k] += panel.at(row, 0) * panel.at(row, k);
  }
  for (int pivot = 0; pivot < kBand; ++pivot) {
    const double sum = total(sums, shared);
    if (threadIdx.x < kWarp) prepare(panel, pivot, sum, shared);
    __syncthreads();
    pass(panel, pivot, shared, sums);
  }
  __syncthreads();
}

/// Writes sign_v v and sign_vt v t by columns, `rows` apart. Since t^-1 is the strict upper part of v^T v with 1 / tau
/// on the diagonal, each row of v t is solved for by itself.
__device__ void write_vectors(const Columns& panel, const Shared& shared, double sign_v, double* v_out, double sign_vt,
                              double* vt_out) {
  for (int row = static_cast<int>(threadIdx.x); row < panel.rows; row += static_cast<int>(blockDim.x)) {
    double solved[kBand];
#pragma unroll
    for (int k = 0; k < kBand; ++k) {
      const double v = row < k ? 0 : panel.at(row, k);
      double rest = v;
#pragma unroll
      for (int i = 0; i < k; ++i) rest -= solved[i] * shared.gram[i][k];
      solved[k] = shared.tau[k] * rest;
      v_out[int64_t{k} * panel.rows + row] = sign_v * v;
      vt_out[int64_t{k} * panel.rows + row] = sign_vt * solved[k];
    }
  }
}

/// The block's panel of `rows` rows.
__device__ Columns columns_of(const Panel& panel, int64_t rows, bool in_shared, Shared& shared) {
  double* values =
      in_shared ? reinterpret_cast<double*>(&shared + 1) : panel.scratch + blockIdx.x * panel_size(panel.n);
  return {values, static_cast<int>(rows), static_cast<int>(rows | 1)};
}

/// Element (row, column) of the block's band.
__device__ double& in_band(const Panel& panel, int64_t row, int64_t column) {
  return panel.bands[blockIdx.x * band_size(panel.n) + row * kBandPlaces + column - row];
}

__global__ void __launch_bounds__(kMostThreads) factor_columns_kernel(Panel panel, bool in_shared) {
  Shared& shared = *reinterpret_cast<Shared*>(shared_memory());
  const int64_t n = panel.n, first = panel.first, rows = panel.rows();
  const int here = static_cast<int>(rows < kBand ? rows : kBand);
  const Columns own = columns_of(panel, rows, in_shared, shared);
  const double* corner = panel.matrices + blockIdx.x * n * n + first * (n + 1);
  for (int e = static_cast<int>(threadIdx.x); e < own.rows * kBand; e += static_cast<int>(blockDim.x)) {
    const int row = e / kBand, k = e % kBand;
    own.at(row, k) = k < here ? corner[row * n + k] : 0;
  }
  __syncthreads();
  triangulate(own, shared);
  for (int e = static_cast<int>(threadIdx.x); e < here * kBand; e += static_cast<int>(blockDim.x)) {
    const int row = e / kBand, k = e % kBand;
    if (row > k || k >= here) continue;
    in_band(panel, first + row, first + k) = row == k ? shared.diagonal[k] : own.at(row, k);
  }
  if (panel.rest() <= 0) return;
  write_vectors(own, shared, -1, panel.left + blockIdx.x * 2 * kBand * rows, 1,
                panel.turned + blockIdx.x * kBand * rows);
}

/// Reads the rows right of the panel, as columns, without v w^T, and puts w in their place.
__device__ void read_rows(const Panel& panel, const Columns& own, Shared& shared) {
  const int64_t n = panel.n, rows = panel.rows();
  const double* minus_v = panel.left + blockIdx.x * 2 * kBand * rows;
  for (int e = static_cast<int>(threadIdx.x); e < kBand * kBand; e += static_cast<int>(blockDim.x)) {
    shared.top[e / kBand][e % kBand] = minus_v[e % kBand * rows + e / kBand];
  }
  __syncthreads();
  const double* w_of = panel.right + blockIdx.x * 2 * kBand * panel.rest();
  double* corner = panel.matrices + blockIdx.x * n * n + panel.first * (n + 1) + kBand;
  for (int column = static_cast<int>(threadIdx.x); column < own.rows; column += static_cast<int>(blockDim.x)) {
    double w[kBand];
#pragma unroll
    for (int i = 0; i < kBand; ++i) w[i] = w_of[i * panel.rest() + column];
#pragma unroll
    for (int k = 0; k < kBand; ++k) {
      double sum = corner[k * n + column];
#pragma unroll
      for (int i = 0; i <= k; ++i) sum += shared.top[k][i] * w[i];
      own.at(column, k) = sum;
      corner[k * n + column] = w[k];
    }
  }
  __syncthreads();
}

__global__ void __launch_bounds__(kMostThreads) factor_rows_kernel(Panel panel, bool in_shared) {
  Shared& shared = *reinterpret_cast<Shared*>(shared_memory());
  const int64_t first = panel.first, rest = panel.rest();
  const Columns own = columns_of(panel, rest, in_shared, shared);
  read_rows(panel, own, shared);
  triangulate(own, shared);
  for (int e = static_cast<int>(threadIdx.x); e < kBand * kBand; e += static_cast<int>(blockDim.x)) {
    const int column = e / kBand, k = e % kBand;
    if (column > k || column >= own.rows) continue;
    in_band(panel, first + k, first + kBand + column) = column == k ? shared.diagonal[k] : own.at(column, k);
  }
  write_vectors(own, shared, 1, panel.right + (blockIdx.x * 2 + 1) * kBand * rest, -1,
                panel.turned + blockIdx.x * kBand * rest);
}

void start(const char* name, void (*kernel)(Panel, bool), const Panel& panel, int64_t rows, int64_t count,
           const Stream& stream) {
  const std::size_t whole = sizeof(Shared) + static_cast<std::size_t>(kBand * (rows | 1)) * sizeof(double);
  const bool fits = whole <= most_shared_memory();
  const int64_t threads = (rows + kWarp - 1) / kWarp * kWarp;
  launch(name, kernel,
         Shape{dim3(static_cast<unsigned>(count)),
               dim3(static_cast<unsigned>(threads < kMostThreads ? threads : kMostThreads)),
               fits ? whole : sizeof(Shared)},
         stream, panel, fits);
}

}  // namespace

void factor_columns(const Panel& panel, int64_t count, const Stream& stream) {
  start("factor_columns", factor_columns_kernel, panel, panel.rows(), count, stream);
}

void factor_rows(const Panel& panel, int64_t count, const Stream& stream) {
  start("factor_rows", factor_rows_kernel, panel, panel.rest(), count, stream);
}

}  // namespace logitfield::kernels::cuda
