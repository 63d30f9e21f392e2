#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;

/// One block per chunk of rows and head; each thread takes every kThreads-th column.
__global__ void column_sums_kernel(HeadRows rows, double* sums) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const int64_t begin = int64_t{blockIdx.x} * kRowPadding;
  const int64_t end = begin + kRowPadding < rows.length ? begin + kRowPadding : rows.length;
  const float* data = rows.data + blockIdx.y * rows.head_stride;
  double* out = sums + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * (rows.columns + 1);
  double squares = 0;
  for (int column = static_cast<int>(threadIdx.x); column < rows.columns; column += kThreads) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const double x = static_cast<double>(data[i * rows.columns + column]);
      sum += x;
      squares += x * x;
    }
    out[column] = sum;
  }
  squares = block_sum(squares, scratch);
  if (threadIdx.x == 0) out[rows.columns] = squares;
}

__device__ double extra_column(const FactorColumn& column, int64_t head, int64_t i) {
  if (column.values) return column.values[head * column.head_step + i];
  return column.of_head ? column.of_head[head] : column.constant + column.step * static_cast<double>(i);
}

/// One warp per row; blockIdx.y is the head.
__global__ void make_factor_kernel(FactorForm form, int width, int64_t padded, double* out) {
  const int64_t i = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp, head = blockIdx.y;
  const HeadRows& rows = form.rows;
  const bool valid = i < rows.length;
  const float* row = rows.data + head * rows.head_stride;
  if (valid) row += (form.positions ? form.positions[i] : i) * rows.columns;
  const double factor = form.factors ? form.factors[head] : form.factor;
  const int64_t tiles = padded / kDeviceTileRows, n = form.interleaved;
  const int64_t tile = (head / n * tiles + i / kDeviceTileRows) * n + head % n;
  double* made = out + (tile * kDeviceTileRows + i % kDeviceTileRows) * width;
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < width; c += kWarp) {
    double x = 0;
    if (valid && c < rows.columns) {
      x = factor * static_cast<double>(row[c]) - (form.shift ? form.shift[head * rows.columns + c] : 0.0);
    } else if (valid) {
      x = extra_column(form.extra[c - rows.columns], head, i);
    }
    made[c] = x;
  }
}

/// blockIdx.y: which sum.
__global__ void sum_matrices_kernel(const double* matrices, int64_t count, int64_t size, double* out) {
  matrices += blockIdx.y * count * size;
  for (int64_t e = first_element(); e < size; e += element_step()) {
    double sum = 0;
    for (int64_t m = 0; m < count; ++m) sum += matrices[m * size + e];
    out[blockIdx.y * size + e] = sum;
  }
}

/// blockIdx.y: which row of matrices. Several are loaded before the first is needed: the loads overlap.
template <bool kBefore>
__global__ void scan_kernel(double* matrices, int64_t count, int64_t size) {
  constexpr int kTogether = 8;
  matrices += blockIdx.y * count * size;
  for (int64_t e = first_element(); e < size; e += element_step()) {
    double sum = 0;
    for (int64_t first = 0; first < count; first += kTogether) {
      double own[kTogether];
#pragma unroll
      for (int m = 0; m < kTogether; ++m) {
        const int64_t at = first + m;
        own[m] = at < count ? matrices[(kBefore ? at : count - 1 - at) * size + e] : 0.0;
      }
#pragma unroll
      for (int m = 0; m < kTogether; ++m) {
        const int64_t at = first + m;
        if (at < count) matrices[(kBefore ? at : count - 1 - at) * size + e] = sum;
        sum += own[m];
      }
    }
  }
}

/// One warp per row; blockIdx.y is the head. Shared memory: the head's vectors.
__global__ void multiply_vectors_kernel(VectorProducts s, const double* rows, const double* vectors, double* out) {
  double* own = reinterpret_cast<double*>(shared_memory());
  const int64_t head = blockIdx.y, row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  vectors += head / s.vectors_shared * s.columns * s.vector_stride;
  for (int e = static_cast<int>(threadIdx.x); e < s.columns * kVectors; e += kThreads) {
    own[e] = vectors[e / kVectors * s.vector_stride + e % kVectors];
  }
  __syncthreads();
  if (row >= s.rows) return;  // a whole warp
  const double* x = rows + (head / s.rows_shared * s.rows + row) * s.stride;
  double sums[kVectors] = {};
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < s.columns; c += kWarp) {
    for (int v = 0; v < kVectors; ++v) sums[v] += x[c] * own[c * kVectors + v];
  }
  for (int v = 0; v < kVectors; ++v) {
    const double sum = warp_sum(sums[v]);
    if (threadIdx.x % kWarp == 0) out[(head * s.rows + row) * kVectors + v] = sum;
  }
}

/// One block per chunk; blockIdx.y is the head.
__global__ void difference_squares_kernel(const double* a, const double* b, int64_t rows, int64_t length, double* out) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const int64_t row = int64_t{blockIdx.x} * kRowPadding + threadIdx.x, place = (blockIdx.y * rows + row) * kVectors;
  double* own = out + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * 2 * kVectors;
  for (int v = 0; v < kVectors; ++v) {
    const double x = row < length ? a[place + v] : 0, y = row < length ? x - b[place + v] : 0;
    const double squares = block_sum(x * x, scratch), differences = block_sum(y * y, scratch);
    if (threadIdx.x != 0) continue;
    own[v] = squares;
    own[kVectors + v] = differences;
  }
}

/// One warp per row.
__global__ void row_dots_kernel(RowDots s, const double* x, const double* y, double* out) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= s.rows) return;  // a whole warp
  x += (row / (kDeviceTileRows * s.x_shared) * kDeviceTileRows + row % kDeviceTileRows) * s.x_stride;
  y += row * s.y_stride;
  double sum = 0;
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < s.columns; c += kWarp) sum += x[c] * y[c];
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) out[row] = s.adds ? out[row] + sum : sum;
}

/// One block per row; blockIdx.y is the head.
__global__ void centre_rows_kernel(DirectForm form, const int64_t* positions, double* products, double* sums) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const DirectHead head = form.heads[blockIdx.y];
  const int64_t position = positions ? positions[blockIdx.x] : blockIdx.x,
                place = int64_t{blockIdx.y} * gridDim.x + blockIdx.x;
  const int64_t first = form.causal_mean ? head.mask.first_key(position) : 0;
  const int64_t end = form.causal_mean ? position + 1 : form.length;
  double* row = products + place * form.length;
  double total = 0;
  for (int64_t j = threadIdx.x; j < form.length; j += kThreads) {
    double x = row[j] + head.slope * static_cast<double>(j - position);
    if (head.cap > 0) x = head.cap * tanh(x / head.cap);
    row[j] = x;
    if (first <= j && j < end) total += x;
  }
  const double mean = block_sum(total, scratch) / static_cast<double>(end - first);
  double found[5] = {};  // total, absolute, squares, and the products
  for (int64_t j = threadIdx.x; j < form.length; j += kThreads) {
    const bool seen = first <= j && j < end;
    const double centred = row[j] - mean, field = form.masked && !seen ? 0.0 : centred;
    row[j] = field;
    if (seen) {
      found[0] += centred;
      found[1] += fabs(centred);
    }
    found[2] += field * field;
    found[3] += field * form.probes[j];
    found[4] += field * form.probes[form.length + j];
  }
  double* out = sums + place * kDirectSums;
  if (threadIdx.x == 0) out[0] = mean;
  for (int f = 0; f < 5; ++f) {
    const double sum = block_sum(found[f], scratch);
    if (threadIdx.x == 0) out[1 + f] = sum;
  }
}

/// One block per 32 columns; blockIdx.y is the head. Every warp sums some rows, in an order that is always the same.
__global__ void add_column_squares_kernel(const double* fields, int64_t rows, int64_t length, double* sums) {
  double* parts = reinterpret_cast<double*>(shared_memory());
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t j = int64_t{blockIdx.x} * kWarp + lane;
  const double* field = fields + blockIdx.y * rows * length;
  double sum = 0;
  for (int64_t i = warp; i < rows && j < length; i += kWarps) sum += field[i * length + j] * field[i * length + j];
  parts[warp * kWarp + lane] = sum;
  __syncthreads();
  if (warp != 0 || j >= length) return;
  double total = sums[blockIdx.y * length + j];
  for (int w = 0; w < kWarps; ++w) total += parts[w * kWarp + lane];
  sums[blockIdx.y * length + j] = total;
}

constexpr std::size_t kScratch = kWarp * sizeof(double);

unsigned count_of(int64_t n) { return static_cast<unsigned>(n); }
Shape rows_of(Shape shape, int64_t rows) {
  shape.blocks.y = count_of(rows);
  return shape;
}

}  // namespace

void column_sums(const HeadRows& rows, double* sums, const Stream& stream) {
  const Shape shape{dim3(blocks_for(rows.length, kRowPadding), count_of(rows.heads)), dim3(kThreads), kScratch};
  launch("column_sums", column_sums_kernel, shape, stream, rows, sums);
}

void make_factor(const FactorForm& form, double* out, const Stream& stream) {
  const int64_t padded = padded_rows(form.rows.length);
  const Shape shape{dim3(blocks_for(padded, kWarps), count_of(form.rows.heads)), dim3(kThreads)};
  launch("make_factor", make_factor_kernel, shape, stream, form, form.width(), padded, out);
}

void sum_matrices(const double* matrices, int64_t sums, int64_t count, int64_t size, double* out,
                  const Stream& stream) {
  launch("sum_matrices", sum_matrices_kernel, rows_of(shape_for(size), sums), stream, matrices, count, size, out);
}
void sums_before(double* matrices, int64_t rows, int64_t count, int64_t size, const Stream& stream) {
  launch("sums_before", scan_kernel<true>, rows_of(shape_for(size), rows), stream, matrices, count, size);
}
void sums_after(double* matrices, int64_t rows, int64_t count, int64_t size, const Stream& stream) {
  launch("sums_after", scan_kernel<false>, rows_of(shape_for(size), rows), stream, matrices, count, size);
}

void multiply_vectors(const VectorProducts& s, const double* rows, const double* vectors, double* out,
                      const Stream& stream) {
  const Shape shape{dim3(blocks_for(s.rows, kWarps), count_of(s.heads)), dim3(kThreads),
                    static_cast<std::size_t>(s.columns) * kVectors * sizeof(double)};
  launch("multiply_vectors", multiply_vectors_kernel, shape, stream, s, rows, vectors, out);
}

void difference_squares(const double* a, const double* b, int64_t heads, int64_t rows, int64_t length, double* out,
                        const Stream& stream) {
  static_assert(kThreads == kRowPadding);
  const Shape shape{dim3(blocks_for(rows, kRowPadding), count_of(heads)), dim3(kThreads), kScratch};
  launch("difference_squares", difference_squares_kernel, shape, stream, a, b, rows, length, out);
}

void row_dots(const RowDots& s, const double* x, const double* y, double* out, const Stream& stream) {
  launch("row_dots", row_dots_kernel, Shape{dim3(blocks_for(s.rows, kWarps)), dim3(kThreads), 0}, stream, s, x, y, out);
}

void centre_rows(const DirectForm& form, const int64_t* positions, int64_t heads, int64_t rows, double* products,
                 double* sums, const Stream& stream) {
  launch("centre_rows", centre_rows_kernel, Shape{dim3(count_of(rows), count_of(heads)), dim3(kThreads), kScratch},
         stream, form, positions, products, sums);
}

void add_column_squares(const double* fields, int64_t heads, int64_t rows, int64_t length, double* sums,
                        const Stream& stream) {
  const Shape shape{dim3(blocks_for(length, kWarp), count_of(heads)), dim3(kThreads), kThreads * sizeof(double)};
  launch("add_column_squares", add_column_squares_kernel, shape, stream, fields, rows, length, sums);
}

}  // namespace logitfield::kernels::cuda
