#pragma once
#include <cstdint>

#include "kernels/cuda/heads.hpp"
#include "kernels/cuda/runtime.hpp"

// Kernels of the field statistics. float64 unless stated otherwise, row-major, all pointers to device memory.
namespace logitfield::kernels::cuda {

/// Rows of a tile. Matrices of rows are padded with zero rows up to a multiple of kRowPadding.
inline constexpr std::int64_t kTileRows = 64, kRowPadding = 256;
constexpr std::int64_t padded_rows(std::int64_t rows) { return (rows + kRowPadding - 1) / kRowPadding * kRowPadding; }

/// sums[chunk] = sums of the columns of kRowPadding rows of `rows` [length, columns], then the sum of squares: columns
/// + 1 numbers per chunk.
void column_sums(const float* rows, std::int64_t length, int columns, double* sums, const Stream& stream);

/// A column of a factor: values[i] if given, else constant + step * i.
struct FactorColumn {
  const double* values = nullptr;
  double constant = 0, step = 0;
};
/// Rows of a factor of the field: factor * rows[i] - shift (null: none), then `extra` columns.
struct FactorForm {
  const float* rows = nullptr;
  std::int64_t length = 0;
  int columns = 0;
  double factor = 1;
  const double* shift = nullptr;
  int extras = 0;
  FactorColumn extra[4] = {};

  int width() const { return columns + extras; }
};
/// out [padded_rows(length), width].
void make_factor(const FactorForm& form, double* out, const Stream& stream);

/// out = sum of `count` matrices of `size` numbers, one after the other.
void sum_matrices(const double* matrices, std::int64_t count, std::int64_t size, double* out, const Stream& stream);
/// Each of `count` matrices becomes the sum of those before it, or of those after it.
void sums_before(double* matrices, std::int64_t count, std::int64_t size, const Stream& stream);
void sums_after(double* matrices, std::int64_t count, std::int64_t size, const Stream& stream);

/// out[i] = x_i . y_i over rows [rows, columns]; added to the old values if `adds`.
void row_dots(const double* x, std::int64_t x_stride, const double* y, std::int64_t y_stride, std::int64_t rows,
              int columns, bool adds, double* out, const Stream& stream);

/// Computes the causal row means m_i = (x_i . before_t + sum of the row's logits j <= i in its tile) / (i + 1). Column
/// `width` of the factor rows x [length, stride] is set to -m_i. logits: [kTileRows, kTileRows] per tile t. before_t
/// [width]: row `width` of matrix t [width + 1, width + 1].
void tile_means(double* x, std::int64_t length, int width, const double* logits, const double* before, double* means,
                const Stream& stream);
/// Inside each tile: queries[i] = sum_{j <= i} (logit_ij - m_i)^2; keys[j] is the sum of the same terms over i >= j.
/// [padded_rows]
void tile_squares(const double* logits, const double* means, std::int64_t length, double* queries, double* keys,
                  const Stream& stream);
/// Sets the logits above the diagonals of the tiles to zero.
void mask_tiles(double* logits, std::int64_t tiles, const Stream& stream);

/// Rule by which rows of the field follow from scaled products of queries and keys.
struct DirectForm {
  std::int64_t length = 0;
  /// Cap 0: none.
  double slope = 0, cap = 0;
  /// causal_mean: the mean is over the keys j <= i that the mask shows. masked: only these entries are nonzero.
  bool causal_mean = false, masked = false;
  KeyMask mask = {};
  /// [2, length]
  const double* probes = nullptr;
};
/// Turns products [rows, length] into the field's rows at `positions`. Six numbers per row: the subtracted mean; over
/// the mean's keys, the sum of the field and of its absolute values; the sum of squares; two products with the probes.
inline constexpr int kDirectSums = 6;
void centre_rows(const DirectForm& form, const std::int64_t* positions, std::int64_t rows, double* products,
                 double* sums, const Stream& stream);
/// sums[j] += sum of field_ij^2 over the rows of `field` [rows, length].
void add_column_squares(const double* field, std::int64_t rows, std::int64_t length, double* sums,
                        const Stream& stream);

/// Statistics of the causal softmax of rows first ... first + rows - 1 of a head over the keys that the mask shows, in
/// float64: out [rows, 3], the largest logit, the entropy, and the weight of position 0. If one of a row's logits is
/// NaN, all its statistics are NaN. `products` [rows, first + rows]: scaled products of the rows with the keys; `slope`
/// and `cap` (0: none) turn them into logits.
struct SoftmaxStrip {
  std::int64_t first = 0, rows = 0;
  double slope = 0, cap = 0;
  KeyMask mask = {};
};
void softmax_rows(const SoftmaxStrip& strip, const double* products, double* out, const Stream& stream);

/// Computes them for every row of every head in bf16, over the keys that its form's mask shows: [heads * length, 3].
/// float32 logits on tensor cores (products of bf16 are exact in float32), sums in float64. Queries [heads * rows,
/// padded(columns)], keys likewise; only the first `length` rows of each head count. columns <= kMostDeviceHeadColumns.
struct SoftmaxSizes {
  std::int64_t heads = 0, kv_heads = 0, rows = 0, length = 0;
  int columns = 0;
};
void softmax_rows(const SoftmaxSizes& sizes, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out,
                  const Stream& stream);

}  // namespace logitfield::kernels::cuda
