#include "kernels/cuda/attention_tile.hpp"
#include "kernels/cuda/field_operations.hpp"
#include "kernels/cuda/launch.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kQueries = 64, kKeys = 32, kThreads = kQueries * kLanesPerRow;
constexpr int kKeysPerLane = kKeys / kLanesPerRow;

/// Shared memory: queries and keys, rows of columns + 1, so that neighbouring rows fall into different banks.
__global__ void __launch_bounds__(kThreads)
    softmax_rows_kernel(SoftmaxSizes s, const HeadForm* forms, const float* queries, const float* keys, double* out) {
  const int stride = s.columns + 1;
  float* query_rows = reinterpret_cast<float*>(shared_memory());
  float* key_rows = query_rows + kQueries * stride;
  const int64_t head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
  const int64_t first_query = int64_t{gridDim.x - 1 - blockIdx.x} * kQueries;
  const int row = static_cast<int>(threadIdx.x) / kLanesPerRow, part = static_cast<int>(threadIdx.x) % kLanesPerRow;
  const int64_t query = first_query + row;
  const int64_t end = first_query + kQueries < s.length ? first_query + kQueries : s.length;
  const HeadForm form = forms[head];
  const auto load = [&](const float* from, int64_t valid, int rows, float* to) {
    for (int i = static_cast<int>(threadIdx.x); i < rows * s.columns; i += kThreads) {
      const int r = i / s.columns, c = i % s.columns;
      to[r * stride + c] = r < valid ? from[int64_t{r} * s.columns + c] : 0.F;
    }
  };

  load(queries + (head * s.rows + first_query) * s.columns, end - first_query, kQueries, query_rows);
  RowSums sums;
  float first_logit = 0;
  for (int64_t first_key = 0; first_key < end; first_key += kKeys) {
    __syncthreads();
    load(keys + (kv * s.rows + first_key) * s.columns, s.length - first_key, kKeys, key_rows);
    __syncthreads();
    float logits[kKeysPerLane] = {};
    for (int c = 0; c < s.columns; ++c) {
      const float q = query_rows[row * stride + c];
#pragma unroll
      for (int k = 0; k < kKeysPerLane; ++k) logits[k] += q * key_rows[(part + kLanesPerRow * k) * stride + c];
    }
    for (int k = 0; k < kKeysPerLane; ++k) {
      logits[k] = finish_logit(form, logits[k], query, first_key + part + kLanesPerRow * k, s.length);
    }
    if (first_key == 0) first_logit = logits[0];
    sums.add(logits);
  }
  // Lane 0 of the row saw key 0.
  sums.write(first_logit, part == 0 && query < s.length, out + 3 * (head * s.length + query));
}

}  // namespace

void softmax_rows(const SoftmaxSizes& s, const HeadForm* forms, const float* queries, const float* keys, double* out,
                  const Stream& stream) {
  const Shape shape{dim3(blocks_for(s.length, kQueries), static_cast<unsigned>(s.heads)), dim3(kThreads),
                    sizeof(float) * static_cast<std::size_t>((kQueries + kKeys) * (s.columns + 1))};
  launch("softmax_rows", softmax_rows_kernel, shape, stream, s, forms, queries, keys, out);
}

}  // namespace logitfield::kernels::cuda
