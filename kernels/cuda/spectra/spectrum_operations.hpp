#pragma once
#include <cstdint>

#include "kernels/cuda/language.hpp"
#include "kernels/cuda/runtime.hpp"

// Kernels of the singular values. float64, row-major, all pointers to device memory; `count` matrices [n, n] one after
// the other. A NaN or an infinity in a matrix makes all of its values NaN, and no others.
namespace logitfield::kernels::cuda {

/// Number of superdiagonals between the two stages, and of columns in a panel. Twice as many would halve the memory
/// traffic of the first stage, but the second stage would no longer fit in shared memory.
inline constexpr int kBand = 16;

/// Length of a row of a band: element (i, j) is at place (j - i) mod kBandPlaces. The band has j - i in 0 ... kBand;
/// the elements that chasing adds have room too (band_chase.cu). Rows beyond the n-th, which are zero, make every block
/// whole.
inline constexpr int kBandPlaces = 2 * kBand;
__host__ __device__ constexpr std::int64_t band_size(std::int64_t n) { return (n + kBand) * kBandPlaces; }

/// Largest n for bidiagonalise_small where a block has 227 KiB of shared memory, as on an H100.
inline constexpr std::int64_t kSmallMatrix = 160;
/// Tells whether bidiagonalise_small supports matrices [n, n] on the calling thread's device.
bool is_small(std::int64_t n);

/// Multiplies each matrix by a power of two, so that no square of its elements overflows, and squares that underflow
/// are below rounding. The factor is 1 unless the largest element is far from 1, and NaN if an element is not finite.
/// `scales` [count]: the powers. `scratch` [kScaleParts * count].
inline constexpr int kScaleParts = 32;
void scale_matrices(double* matrices, std::int64_t size, std::int64_t count, double* scratch, double* scales,
                    const Stream& stream);

/// Scales matrices that are small as scale_matrices does and reduces them to bidiagonal form: `bidiagonals`
/// [count, 2 n] = d_0, e_0, d_1, ..., d_(n-1), 0.
void bidiagonalise_small(const double* matrices, std::int64_t n, std::int64_t count, double* bidiagonals,
                         double* scales, const Stream& stream);

__host__ __device__ constexpr std::int64_t panel_size(std::int64_t n) { return kBand * (n + 1); }
/// One step of the first stage (singular_values.cpp): the panel begins at row and column `first`.
struct Panel {
  double* matrices;
  std::int64_t n, first;
  /// [count, band_size(n)]
  double* bands;
  /// [count, 2 kBand, rows()] and [count, 2 kBand, rest()]: -v and -z, w and y, by columns.
  double *left, *right;
  /// [count, kBand, rows()], or rest() instead of rows(): v t, or -y t.
  double* turned;
  /// [count, panel_size(n)] for panels that do not fit in shared memory.
  double* scratch;

  __host__ __device__ std::int64_t rows() const { return n - first; }
  __host__ __device__ std::int64_t rest() const { return n - first - kBand; }
};
/// QR of the panel's columns. Writes the triangle to the bands, -v to `left` and v t to `turned`.
void factor_columns(const Panel& panel, std::int64_t count, const Stream& stream);
/// Subtracts v w^T from the panel's rows right of its columns, and decomposes them: l y^T. Writes l to the bands, y to
/// `right` and -y t to `turned`; w takes the place of the rows in the matrix. `right` must hold w.
void factor_rows(const Panel& panel, std::int64_t count, const Stream& stream);

/// Second stage: reduces bands [count, band_size(n)] to bidiagonal form [count, 2 n]. The bands are overwritten.
void chase_bulges(double* bands, std::int64_t n, std::int64_t count, double* bidiagonals, const Stream& stream);

/// Singular values of bidiagonal matrices [count, 2 n], divided by `scales` [count]: [count, n], descending. The error
/// is a few roundings of the largest. `squares` [count, sturm_steps(n)] and `units` [count] are scratch.
void bisect(const double* bidiagonals, std::int64_t n, std::int64_t count, const double* scales, double* squares,
            double* units, double* values, const Stream& stream);
/// Number of steps of a Sturm count that are unrolled.
inline constexpr int kSturmUnroll = 8;
__host__ __device__ constexpr std::int64_t sturm_steps(std::int64_t n) {
  return (2 * n + kSturmUnroll - 1) / kSturmUnroll * kSturmUnroll;
}

}  // namespace logitfield::kernels::cuda
