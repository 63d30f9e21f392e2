#include "kernels/cuda/attention_tile.hpp"
#include "kernels/cuda/launch.hpp"

// Causal attention in float32 without tensor cores: tiles in shared memory, four lanes per row of queries.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kQueries = 64, kKeys = 32, kThreads = kQueries * kLanesPerRow;
constexpr int kKeysPerLane = kKeys / kLanesPerRow;

struct alignas(16) Four {
  float x[4];
};

/// Copies rows [rows, width] of device memory to shared rows of stride `stride`; zeros after the last row.
__device__ void load_rows(const float* from, int64_t valid, int rows, int width, float* to, int stride) {
  const int fours = width / 4;
  for (int i = static_cast<int>(threadIdx.x); i < rows * fours; i += kThreads) {
    const int row = i / fours, column = i % fours * 4;
    Four value{};
    if (row < valid) value = *reinterpret_cast<const Four*>(from + int64_t{row} * width + column);
    *reinterpret_cast<Four*>(to + row * stride + column) = value;
  }
}

/// kValue: upper bound on the padded value dimension. Shared memory: queries, keys (rows of width + 4, so that 8 rows
/// fall into different banks), values, weights.
template <int kValue>
__global__ void __launch_bounds__(kThreads)
    attention_kernel(AttentionSizes s, const HeadForm* forms, const float* queries, const float* keys,
                     const float* values, float* out) {
  const int width = static_cast<int>(padded(s.head_dim)), value_width = static_cast<int>(padded(s.value_dim));
  const int stride = width + 4, weight_stride = kKeys + 4;
  float* query_rows = reinterpret_cast<float*>(shared_memory());
  float* key_rows = query_rows + kQueries * stride;
  float* value_rows = key_rows + kKeys * stride;
  float* weights = value_rows + kKeys * value_width;

  const int64_t head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
  const int64_t first_query = int64_t{gridDim.x - 1 - blockIdx.x} * kQueries;  // long rows first
  const int row = static_cast<int>(threadIdx.x) / kLanesPerRow, part = static_cast<int>(threadIdx.x) % kLanesPerRow;
  const int64_t query = first_query + row;
  const int64_t end = first_query + kQueries < s.length ? first_query + kQueries : s.length;
  const HeadForm form = forms[head];

  load_rows(queries + (head * s.length + first_query) * width, end - first_query, kQueries, width, query_rows, stride);
  OnlineRow softmax;
  // This lane's columns: 4 (part + 4 c) ... + 3.
  float weighted[kValue / kLanesPerRow] = {};
  for (int64_t tile = first_key_tile(form, first_query, kKeys); tile * kKeys < end; ++tile) {
    const int64_t first_key = tile * kKeys;
    __syncthreads();
    load_rows(keys + (kv * s.length + first_key) * width, s.length - first_key, kKeys, width, key_rows, stride);
    load_rows(values + (kv * s.length + first_key) * value_width, s.length - first_key, kKeys, value_width, value_rows,
              value_width);
    __syncthreads();

    float logits[kKeysPerLane] = {};
    for (int column = 0; column < width; column += 4) {
      const Four q = *reinterpret_cast<const Four*>(query_rows + row * stride + column);
#pragma unroll
      for (int c = 0; c < kKeysPerLane; ++c) {
        const Four k = *reinterpret_cast<const Four*>(key_rows + (part + kLanesPerRow * c) * stride + column);
        for (int e = 0; e < 4; ++e) logits[c] += q.x[e] * k.x[e];
      }
    }
#pragma unroll
    for (int c = 0; c < kKeysPerLane; ++c) {
      logits[c] = finish_logit(form, logits[c], query, first_key + part + kLanesPerRow * c);
    }
    const float rescale = softmax.add(logits);
#pragma unroll
    for (int c = 0; c < kKeysPerLane; ++c) weights[row * weight_stride + part + kLanesPerRow * c] = logits[c];
    __syncwarp();  // the four lanes of a row belong to one warp
#pragma unroll
    for (float& w : weighted) w *= rescale;
    for (int key = 0; key < kKeys; ++key) {
      const float weight = weights[row * weight_stride + key];
#pragma unroll
      for (int c = 0; c < kValue / 16; ++c) {
        const int column = 4 * (part + kLanesPerRow * c);
        if (column >= value_width) break;
        const Four v = *reinterpret_cast<const Four*>(value_rows + key * value_width + column);
        for (int e = 0; e < 4; ++e) weighted[4 * c + e] += weight * v.x[e];
      }
    }
    __syncwarp();  // before the next tile's weights
  }
  const float inverse = 1 / (row_sum(softmax.sum) + softmax.weight_of(form.sink));
  if (query >= s.length) return;
#pragma unroll
  for (int i = 0; i < kValue / kLanesPerRow; ++i) {
    const int column = 4 * (part + kLanesPerRow * (i / 4)) + i % 4;
    if (column < s.value_dim) out[(query * s.heads + head) * s.value_dim + column] = inverse * weighted[i];
  }
}

}  // namespace

void attend(const AttentionSizes& s, const HeadForm* forms, const float* queries, const float* keys,
            const float* values, float* out, const Stream& stream) {
  const int64_t width = padded(s.head_dim), value_width = padded(s.value_dim);
  const int64_t floats = (kQueries + kKeys) * (width + 4) + kKeys * value_width + kQueries * (kKeys + 4);
  const Shape shape{dim3(blocks_for(s.length, kQueries), static_cast<unsigned>(s.heads)), dim3(kThreads),
                    static_cast<std::size_t>(floats) * sizeof(float)};
  const auto start = [&](auto kernel) {
    launch("attention", kernel, shape, stream, s, forms, queries, keys, values, out);
  };
  if (value_width <= 64) return start(attention_kernel<64>);
  if (value_width <= 128) return start(attention_kernel<128>);
  start(attention_kernel<256>);
}

}  // namespace logitfield::kernels::cuda
