#include "kernels/cuda/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;

/// One block per chunk of rows; each thread takes every kThreads-th column.
__global__ void column_sums_kernel(const float* rows, int64_t length, int columns, double* sums) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const int64_t begin = int64_t{blockIdx.x} * kRowPadding;
  const int64_t end = begin + kRowPadding < length ? begin + kRowPadding : length;
  double* out = sums + blockIdx.x * int64_t{columns + 1};
  double squares = 0;
  for (int column = static_cast<int>(threadIdx.x); column < columns; column += kThreads) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const double x = static_cast<double>(rows[i * columns + column]);
      sum += x;
      squares += x * x;
    }
    out[column] = sum;
  }
  squares = block_sum(squares, scratch);
  if (threadIdx.x == 0) out[columns] = squares;
}

__global__ void make_factor_kernel(FactorForm form, int64_t size, int width, double* out) {
  for (int64_t e = first_element(); e < size; e += element_step()) {
    const int64_t i = e / width;
    const int c = static_cast<int>(e % width);
    double x = 0;
    if (i < form.length) {
      if (c < form.columns) {
        x = form.factor * static_cast<double>(form.rows[i * form.columns + c]) - (form.shift ? form.shift[c] : 0.0);
      } else {
        const FactorColumn& column = form.extra[c - form.columns];
        x = column.values ? column.values[i] : column.constant + column.step * static_cast<double>(i);
      }
    }
    out[e] = x;
  }
}

__global__ void sum_matrices_kernel(const double* matrices, int64_t count, int64_t size, double* out) {
  for (int64_t e = first_element(); e < size; e += element_step()) {
    double sum = 0;
    for (int64_t m = 0; m < count; ++m) sum += matrices[m * size + e];
    out[e] = sum;
  }
}

template <bool kBefore>
__global__ void scan_kernel(double* matrices, int64_t count, int64_t size) {
  for (int64_t e = first_element(); e < size; e += element_step()) {
    double sum = 0;
    for (int64_t m = 0; m < count; ++m) {
      double& here = matrices[(kBefore ? m : count - 1 - m) * size + e];
      const double own = here;
      here = sum;
      sum += own;
    }
  }
}

/// One warp per row.
__global__ void row_dots_kernel(const double* x, int64_t x_stride, const double* y, int64_t y_stride, int64_t rows,
                                int columns, bool adds, double* out) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= rows) return;  // a whole warp
  double sum = 0;
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < columns; c += kWarp) {
    sum += x[row * x_stride + c] * y[row * y_stride + c];
  }
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) out[row] = adds ? out[row] + sum : sum;
}

/// One block per row.
__global__ void centre_rows_kernel(DirectForm form, const int64_t* positions, double* products, double* sums) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const int64_t position = positions[blockIdx.x];
  const int64_t first = form.causal_mean ? form.mask.first_key(position) : 0;
  const int64_t end = form.causal_mean ? position + 1 : form.length;
  double* row = products + blockIdx.x * form.length;
  double total = 0;
  for (int64_t j = threadIdx.x; j < form.length; j += kThreads) {
    double x = row[j] + form.slope * static_cast<double>(j - position);
    if (form.cap > 0) x = form.cap * tanh(x / form.cap);
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
  double* out = sums + blockIdx.x * kDirectSums;
  if (threadIdx.x == 0) out[0] = mean;
  for (int f = 0; f < 5; ++f) {
    const double sum = block_sum(found[f], scratch);
    if (threadIdx.x == 0) out[1 + f] = sum;
  }
}

/// One thread per column, so that the order of summation is always the same.
__global__ void add_column_squares_kernel(const double* field, int64_t rows, int64_t length, double* sums) {
  for (int64_t j = first_element(); j < length; j += element_step()) {
    double sum = sums[j];
    for (int64_t i = 0; i < rows; ++i) sum += field[i * length + j] * field[i * length + j];
    sums[j] = sum;
  }
}

constexpr std::size_t kScratch = kWarp * sizeof(double);

}  // namespace

void column_sums(const float* rows, int64_t length, int columns, double* sums, const Stream& stream) {
  launch("column_sums", column_sums_kernel, Shape{dim3(blocks_for(length, kRowPadding)), dim3(kThreads), kScratch},
         stream, rows, length, columns, sums);
}

void make_factor(const FactorForm& form, double* out, const Stream& stream) {
  const int64_t size = padded_rows(form.length) * form.width();
  launch("make_factor", make_factor_kernel, shape_for(size), stream, form, size, form.width(), out);
}

void sum_matrices(const double* matrices, int64_t count, int64_t size, double* out, const Stream& stream) {
  launch("sum_matrices", sum_matrices_kernel, shape_for(size), stream, matrices, count, size, out);
}
void sums_before(double* matrices, int64_t count, int64_t size, const Stream& stream) {
  launch("sums_before", scan_kernel<true>, shape_for(size), stream, matrices, count, size);
}
void sums_after(double* matrices, int64_t count, int64_t size, const Stream& stream) {
  launch("sums_after", scan_kernel<false>, shape_for(size), stream, matrices, count, size);
}

void row_dots(const double* x, int64_t x_stride, const double* y, int64_t y_stride, int64_t rows, int columns,
              bool adds, double* out, const Stream& stream) {
  launch("row_dots", row_dots_kernel, Shape{dim3(blocks_for(rows, kWarps)), dim3(kThreads), 0}, stream, x, x_stride, y,
         y_stride, rows, columns, adds, out);
}

void centre_rows(const DirectForm& form, const int64_t* positions, int64_t rows, double* products, double* sums,
                 const Stream& stream) {
  launch("centre_rows", centre_rows_kernel, Shape{dim3(static_cast<unsigned>(rows)), dim3(kThreads), kScratch}, stream,
         form, positions, products, sums);
}

void add_column_squares(const double* field, int64_t rows, int64_t length, double* sums, const Stream& stream) {
  launch("add_column_squares", add_column_squares_kernel, shape_for(length), stream, field, rows, length, sums);
}

}  // namespace logitfield::kernels::cuda
