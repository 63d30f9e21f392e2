#pragma once
#include <cstdint>

#include "kernels/cuda/heads.hpp"
#include "kernels/cuda/runtime.hpp"
#include "kernels/field/device_fields.hpp"

// Kernels of the field statistics. float64 unless stated otherwise, row-major, all pointers to device memory.
namespace logitfield::kernels::cuda {

/// The float32 rows of some heads: row i of head h begins at data + h * head_stride + i * columns.
struct HeadRows {
  const float* data = nullptr;
  std::int64_t heads = 1, head_stride = 0, length = 0;
  int columns = 0;
};

/// sums[head][chunk] = sums of the columns of kRowPadding rows, then the sum of squares: columns + 1 numbers per chunk.
void column_sums(const HeadRows& rows, double* sums, const Stream& stream);

/// A column of a factor: values[head * head_step + i] if given; else of_head[head] if given; else constant + step * i.
struct FactorColumn {
  const double* values = nullptr;
  std::int64_t head_step = 0;
  const double* of_head = nullptr;
  double constant = 0, step = 0;
};
/// Rows of a factor of the fields of some heads: factor * rows[i] - shift, then `extra` columns. `factors` [heads]
/// replaces `factor`; shift [heads, columns], null: none. `positions` [length]: row i is that of positions[i]; null: of
/// i.
struct FactorForm {
  HeadRows rows;
  double factor = 1;
  const double* factors = nullptr;
  const double* shift = nullptr;
  const std::int64_t* positions = nullptr;
  /// Heads that follow each other tile by tile; see make_factor.
  std::int64_t interleaved = 1;
  int extras = 0;
  FactorColumn extra[6] = {};

  int width() const { return rows.columns + extras; }
};
/// Makes a factor: out [heads, padded_rows(length), width]. Interleaved heads give [heads / interleaved, tiles,
/// interleaved, kDeviceTileRows, width]. So the rows of all heads that read one KV head's tile are one matrix.
void make_factor(const FactorForm& form, double* out, const Stream& stream);

/// out [sums, size]: each is the sum of `count` matrices of `size` numbers, one after the other.
void sum_matrices(const double* matrices, std::int64_t sums, std::int64_t count, std::int64_t size, double* out,
                  const Stream& stream);
/// In each of `rows` rows of `count` matrices, each becomes the sum of those before it, or of those after it.
void sums_before(double* matrices, std::int64_t rows, std::int64_t count, std::int64_t size, const Stream& stream);
void sums_after(double* matrices, std::int64_t rows, std::int64_t count, std::int64_t size, const Stream& stream);

/// Cholesky decompositions of `count` symmetric matrices [width, gram_stride], one after the other: upper triangular r,
/// and its inverse [count, width, width]; NaN where a pivot is not positive. checks [count, kCholeskyChecks].
enum CholeskyCheck {
  kPositive,   // 1 if all pivots are positive, else 0 and only the next two are set
  kTrace,      // of the matrix
  kDeviation,  // Frobenius norm of its difference from the identity
  kNorm,       // 1-norm of r
  kInverseNorm,
  kLogDeterminant,  // of r
  kCholeskyChecks
};
void cholesky(const double* gram, std::int64_t gram_stride, std::int64_t count, int width, double* r, double* inverse,
              double* checks, const Stream& stream);

/// out[head][i][v] = row i of matrix head / rows_shared . vector v of head / vectors_shared, over `columns` columns:
/// rows [., rows, stride], vectors [., columns, vector_stride], out [heads, rows, kVectors].
inline constexpr int kVectors = 2;
struct VectorProducts {
  std::int64_t heads = 0, rows = 0, stride = 0;
  int columns = 0;
  std::int64_t vector_stride = kVectors, rows_shared = 1, vectors_shared = 1;
};
void multiply_vectors(const VectorProducts& sizes, const double* rows, const double* vectors, double* out,
                      const Stream& stream);

/// Sums a^2 and (a - b)^2 over each chunk of kRowPadding rows, for each of the kVectors columns. a, b [heads, rows,
/// kVectors]; only the first `length` rows count. out [heads, chunks, 2, kVectors].
void difference_squares(const double* a, const double* b, std::int64_t heads, std::int64_t rows, std::int64_t length,
                        double* out, const Stream& stream);

/// out[i] = x_i . y_i over rows [rows, columns]; added to the old values if `adds`. Each tile of kDeviceTileRows rows
/// of x is read by `x_shared` tiles of y, one after the other.
struct RowDots {
  std::int64_t rows = 0;
  int columns = 0;
  std::int64_t x_stride = 0, y_stride = 0, x_shared = 1;
  bool adds = false;
};
void row_dots(const RowDots& sizes, const double* x, const double* y, double* out, const Stream& stream);
/// Squared norms of `count` rows of `width`, one after the other.
inline void squared_norms(const double* rows, std::int64_t count, std::int64_t width, double* out,
                          const Stream& stream) {
  row_dots({.rows = count, .columns = static_cast<int>(width), .x_stride = width, .y_stride = width}, rows, rows, out,
           stream);
}
/// In each of `count` rows, sorts every run of kSortedRun numbers (the last may be shorter) from `length` numbers,
/// which begin `stride` apart, in ascending order: out [count, length].
inline constexpr std::int64_t kSortedRun = 8192;
void sort_runs(const double* values, std::int64_t count, std::int64_t stride, std::int64_t length, double* out,
               const Stream& stream);

// Causal fields of heads whose rows are interleaved by tiles (make_factor): `shared` heads read each KV head.

/// Computes the causal row means m_i = (x_i . before_t + sum of the row's logits j <= i in its tile) / (i + 1) of each
/// head, [heads, padded_rows(length)]. Column `width` of the factor rows x [., width + 1] is set to -m_i. logits:
/// [kDeviceTileRows, kDeviceTileRows] per head's tile. before_t [width]: row `width` of matrix t [width + 1, width + 1]
/// of a KV head.
struct TileSizes {
  std::int64_t heads = 1, length = 0, shared = 1;
  int width = 0;
};
void tile_means(const TileSizes& sizes, double* x, const double* logits, const double* before, double* means,
                const Stream& stream);
/// Inside each tile: queries[i] = sum_{j <= i} (logit_ij - m_i)^2; keys[j] is the sum of the same terms over i >= j;
/// both by tiles of heads, as the rows are.
void tile_squares(const TileSizes& sizes, const double* logits, const double* means, double* queries, double* keys,
                  const Stream& stream);
/// Sets the logits above the diagonals of the tiles to zero.
void mask_tiles(double* logits, std::int64_t tiles, const Stream& stream);

/// Rule by which a head's field follows from the products of its scaled queries with the keys; cap 0: none. The mask is
/// that of the field: none if its scope ignores the layer's.
struct DirectHead {
  double slope = 0, cap = 0;
  KeyMask mask = {};
};
struct DirectForm {
  std::int64_t length = 0;
  /// [heads] in device memory.
  const DirectHead* heads = nullptr;
  /// causal_mean: the mean is over the keys j <= i that the mask shows. masked: only these entries are nonzero.
  bool causal_mean = false, masked = false;
  /// [2, length]
  const double* probes = nullptr;
};
/// Turns products [heads, rows, length] into the fields' rows at `positions` (null: row i is at i). Six numbers per row
/// [heads, rows, 6]: the subtracted mean; over the mean's keys, the sum of the field and of its absolute values; the
/// sum of squares; two products with the probes.
inline constexpr int kDirectSums = 6;
void centre_rows(const DirectForm& form, const std::int64_t* positions, std::int64_t heads, std::int64_t rows,
                 double* products, double* sums, const Stream& stream);
/// sums[head][j] += sum of field_ij^2 over the rows of `fields` [heads, rows, length].
void add_column_squares(const double* fields, std::int64_t heads, std::int64_t rows, std::int64_t length, double* sums,
                        const Stream& stream);

/// Computes the causal softmax of rows first ... first + rows - 1 of a head over the keys that the mask shows, in
/// float64. out [rows, 3]: the largest logit of a key, the entropy, and the weight of position 0. If one of a row's
/// logits is NaN, all its statistics are NaN. `products` [rows, first + rows]: scaled products of the rows with the
/// keys; `slope` and `cap` (0: none) turn them into logits.
struct SoftmaxStrip {
  std::int64_t first = 0, rows = 0;
  double slope = 0, cap = 0;
  KeyMask mask = {};
  /// The logit of a member that is no key.
  double sink = -std::numeric_limits<double>::infinity();
};
void softmax_rows(const SoftmaxStrip& strip, const double* products, double* out, const Stream& stream);

/// Computes these statistics [heads * length, 3] for every row of every head in bf16, over the keys that its form's
/// mask shows. Logits are float32, on tensor cores (products of bf16 are exact in float32); sums are float64. Queries
/// [heads * rows, padded(columns)], keys likewise; only the first `length` rows of each head count. columns <=
/// kMostDeviceHeadColumns.
struct SoftmaxSizes {
  std::int64_t heads = 0, kv_heads = 0, rows = 0, length = 0;
  int columns = 0;
};
void softmax_rows(const SoftmaxSizes& sizes, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out,
                  const Stream& stream);

}  // namespace logitfield::kernels::cuda
