#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/operations.hpp"
#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// One block per row.
template <class T>
__global__ void normalise_kernel(const float* in, int64_t stride, int64_t columns, NormView norm, T* out) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  const float* row = in + blockIdx.x * stride;
  double mean = 0;
  if (norm.centred) {
    double sum = 0;
    for (int64_t c = threadIdx.x; c < columns; c += kThreads) sum += static_cast<double>(row[c]);
    mean = block_sum(sum, scratch) / static_cast<double>(columns);
  }
  double square = 0;
  for (int64_t c = threadIdx.x; c < columns; c += kThreads) {
    const double x = static_cast<double>(row[c]) - mean;
    square += x * x;
  }
  const double factor = rsqrt(block_sum(square, scratch) / static_cast<double>(columns) + norm.epsilon);
  for (int64_t c = threadIdx.x; c < columns; c += kThreads) {
    float y = static_cast<float>((static_cast<double>(row[c]) - mean) * factor);
    if (norm.gain) y *= norm.gain[c];
    if (norm.bias) y += norm.bias[c];
    out[blockIdx.x * columns + c] = from_float<T>(y);
  }
}

template <class T>
__global__ void convert_kernel(const float* in, int64_t size, T* out) {
  for (int64_t i = first_element(); i < size; i += element_step()) out[i] = from_float<T>(in[i]);
}

template <class T>
__global__ void convert_rows_kernel(const float* in, int64_t stride, int64_t size, int64_t columns, T* out,
                                    int64_t out_stride) {
  for (int64_t i = first_element(); i < size; i += element_step()) {
    const int64_t row = i / out_stride, column = i % out_stride;
    out[i] = from_float<T>(column < columns ? in[row * stride + column] : 0.F);
  }
}

/// Both are aligned to 16 bytes.
__global__ void add_kernel(const float* term, int64_t size, float* sum) {
  using Four = Pack<float, 4>;
  const int64_t fours = size / 4;
  for (int64_t i = first_element(); i < fours; i += element_step()) {
    const Four more = reinterpret_cast<const Four*>(term)[i];
    Four all = reinterpret_cast<const Four*>(sum)[i];
    for (int e = 0; e < 4; ++e) all.x[e] += more.x[e];
    reinterpret_cast<Four*>(sum)[i] = all;
  }
  for (int64_t i = 4 * fours + first_element(); i < size; i += element_step()) sum[i] += term[i];
}

__global__ void add_bias_kernel(const float* bias, int64_t size, int64_t columns, float* out) {
  for (int64_t i = first_element(); i < size; i += element_step()) out[i] += bias[i % columns];
}

__global__ void soft_cap_kernel(float cap, int64_t size, float* values) {
  for (int64_t i = first_element(); i < size; i += element_step()) values[i] = tanhf(values[i] / cap) * cap;
}

template <class T>
__global__ void gather_kernel(const T* in, const std::int32_t* tokens, int64_t size, int64_t columns, T* out) {
  for (int64_t i = first_element(); i < size; i += element_step()) {
    out[i] = in[tokens[i / columns] * columns + i % columns];
  }
}

__global__ void scatter_add_kernel(const float* said, const std::int32_t* tokens, const float* weights, int64_t size,
                                   int64_t columns, float* sum) {
  for (int64_t i = first_element(); i < size; i += element_step()) {
    const int64_t row = i / columns;
    sum[tokens[row] * columns + i % columns] += weights[row] * said[i];
  }
}

/// One block per row.
__global__ void loss_kernel(const float* logits, int64_t columns, int64_t first_token, const std::int32_t* targets,
                            double* terms) {
  double* scratch = reinterpret_cast<double*>(shared_memory());
  float* largest_of = reinterpret_cast<float*>(scratch + kWarp);
  const float* row = logits + blockIdx.x * columns;
  float largest = row[0];
  for (int64_t c = threadIdx.x; c < columns; c += kThreads) {
    if (row[c] > largest || row[c] != row[c]) largest = row[c];
  }
  largest = warp_max(largest);
  if (threadIdx.x % kWarp == 0) largest_of[threadIdx.x / kWarp] = largest;
  __syncthreads();
  largest = warp_max(largest_of[threadIdx.x % (kThreads / kWarp)]);
  double sum = 0;
  for (int64_t c = threadIdx.x; c < columns; c += kThreads) sum += static_cast<double>(expf(row[c] - largest));
  sum = block_sum(sum, scratch);
  if (threadIdx.x != 0) return;
  const int64_t column = targets[blockIdx.x] - first_token;
  terms[3 * blockIdx.x] = static_cast<double>(largest);
  terms[3 * blockIdx.x + 1] = sum;
  terms[3 * blockIdx.x + 2] = column >= 0 && column < columns ? static_cast<double>(row[column]) : 0.0;
}

Shape row_shape(int64_t rows) {
  return {dim3(static_cast<unsigned>(rows)), dim3(kThreads), kWarp * (sizeof(double) + sizeof(float))};
}

}  // namespace

template <class T>
void normalise(const float* in, int64_t stride, int64_t rows, int64_t columns, const NormView& norm, T* out,
               const Stream& stream) {
  launch("normalise", normalise_kernel<T>, row_shape(rows), stream, in, stride, columns, norm, out);
}
template void normalise(const float*, int64_t, int64_t, int64_t, const NormView&, float*, const Stream&);
template void normalise(const float*, int64_t, int64_t, int64_t, const NormView&, Bf16*, const Stream&);

template <class T>
void convert(const float* in, int64_t size, T* out, const Stream& stream) {
  launch("convert", convert_kernel<T>, shape_for(size), stream, in, size, out);
}
template void convert(const float*, int64_t, float*, const Stream&);
template void convert(const float*, int64_t, Bf16*, const Stream&);

template <class T>
void convert_rows(const float* in, int64_t stride, int64_t rows, int64_t columns, T* out, int64_t out_stride,
                  const Stream& stream) {
  const int64_t size = rows * out_stride;
  launch("convert_rows", convert_rows_kernel<T>, shape_for(size), stream, in, stride, size, columns, out, out_stride);
}
template void convert_rows(const float*, int64_t, int64_t, int64_t, float*, int64_t, const Stream&);
template void convert_rows(const float*, int64_t, int64_t, int64_t, Bf16*, int64_t, const Stream&);

void add(const float* term, int64_t size, float* sum, const Stream& stream) {
  launch("add", add_kernel, shape_for((size + 3) / 4), stream, term, size, sum);
}

void add_bias(const float* bias, int64_t rows, int64_t columns, float* out, const Stream& stream) {
  launch("add_bias", add_bias_kernel, shape_for(rows * columns), stream, bias, rows * columns, columns, out);
}

void soft_cap(float cap, int64_t size, float* values, const Stream& stream) {
  launch("soft_cap", soft_cap_kernel, shape_for(size), stream, cap, size, values);
}

template <class T>
void gather(const T* in, const std::int32_t* tokens, int64_t count, int64_t columns, T* out, const Stream& stream) {
  const int64_t size = count * columns;
  launch("gather", gather_kernel<T>, shape_for(size), stream, in, tokens, size, columns, out);
}
template void gather(const float*, const std::int32_t*, int64_t, int64_t, float*, const Stream&);
template void gather(const Bf16*, const std::int32_t*, int64_t, int64_t, Bf16*, const Stream&);

void scatter_add(const float* said, const std::int32_t* tokens, const float* weights, int64_t count, int64_t columns,
                 float* sum, const Stream& stream) {
  const int64_t size = count * columns;
  launch("scatter_add", scatter_add_kernel, shape_for(size), stream, said, tokens, weights, size, columns, sum);
}

void loss_terms(const float* logits, int64_t rows, int64_t columns, int64_t first_token, const std::int32_t* targets,
                double* terms, const Stream& stream) {
  launch("loss", loss_kernel, row_shape(rows), stream, logits, columns, first_token, targets, terms);
}

}  // namespace logitfield::kernels::cuda
