#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mma_tile.hpp"

// Causal attention of bf16 on the tensor cores (after Dao 2023, FlashAttention-2). A warp holds 16 queries; logits,
// weights and sums stay in registers. Keys and values come through shared memory, the next tile while this one is used.
namespace logitfield::kernels::cuda {
namespace {

using namespace mma;

/// sums [16, kValue] += weights [16, kKeys] (as accumulators hold them) * values [kKeys, width].
template <int kKeys, int kValue>
__device__ void multiply_values(const float (&weights)[kKeys / 8][4], const Bf16* values, int width,
                                float (&sums)[kValue / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, stride = width + kPadding;
  const Bf16* value = values + lane % 16 * stride + lane / 16 * 8;
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    const float(&left)[4] = weights[2 * step], (&right)[4] = weights[2 * step + 1];
    const PackedA a{
        {pack(left[0], left[1]), pack(left[2], left[3]), pack(right[0], right[1]), pack(right[2], right[3])}};
#pragma unroll
    for (int pair = 0; pair < kValue / 16; ++pair) {
      if (pair * 16 >= width) break;
      std::uint32_t b[4];
      load_matrices<true>(b, value + step * 16 * stride + pair * 16);
      multiply_add(sums[2 * pair], a, {b[0], b[1]});
      multiply_add(sums[2 * pair + 1], a, {b[2], b[3]});
    }
  }
}

/// Turns products into logits and logits into weights, and rescales the sums, for rows g and g + 8 of the warp's
/// queries.
template <int kKeys, int kValue>
__device__ void take_tile(const HeadForm& form, int64_t first_query, int64_t first_key, OnlineRow (&softmax)[2],
                          float (&logits)[kKeys / 8][4], float (&sums)[kValue / 8][4]) {
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4;
  const bool all_seen = sees_all<kKeys>(form, first_query, first_key);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float row[kKeys / 4];
    row_of<kKeys>(logits, half, row);
    const auto key_of = [&](int c) { return first_key + column_of(c); };
    finish_logits(form, row, first_query + g + 8 * half, key_of, all_seen);
    const float rescale = softmax[half].add(row);
#pragma unroll
    for (int c = 0; c < kKeys / 4; ++c) logits[c / 2][2 * half + c % 2] = row[c];
#pragma unroll
    for (int t = 0; t < kValue / 8; ++t) {
      sums[t][2 * half] *= rescale;
      sums[t][2 * half + 1] *= rescale;
    }
  }
}

/// kValue: upper bound on the padded value dimension. Shared memory: queries, two tiles of keys, two of values.
template <int kKeys, int kValue>
__global__ void __launch_bounds__(kThreads)
    attention_kernel(AttentionSizes s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, const Bf16* values,
                     Bf16* out) {
  const int width = static_cast<int>(padded(s.head_dim)), value_width = static_cast<int>(padded(s.value_dim));
  Bf16* query_rows = reinterpret_cast<Bf16*>(shared_memory());
  Bf16* key_rows = query_rows + kQueries * (width + kPadding);
  Bf16* value_rows = key_rows + 2 * kKeys * (width + kPadding);
  const int key_tile = kKeys * (width + kPadding), value_tile = kKeys * (value_width + kPadding);

  const int64_t head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
  const int64_t first_query = int64_t{gridDim.x - 1 - blockIdx.x} * kQueries;  // long rows first
  const int64_t end = first_query + kQueries < s.length ? first_query + kQueries : s.length;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const HeadForm form = forms[head];
  const auto start_tile = [&](int64_t tile) {
    const int64_t first = tile * kKeys, row = kv * s.length + first;
    const int stage = static_cast<int>(tile % 2);
    start_rows(keys + row * width, s.length - first, kKeys, width, key_rows + stage * key_tile);
    start_rows(values + row * value_width, s.length - first, kKeys, value_width, value_rows + stage * value_tile);
    end_copies();
  };

  int64_t tile = first_key_tile(form, first_query, kKeys);
  const int64_t tiles = (end + kKeys - 1) / kKeys;
  start_rows(queries + (head * s.length + first_query) * width, end - first_query, kQueries, width, query_rows);
  start_tile(tile);  // in one group with the queries
  OnlineRow softmax[2];
  float sums[kValue / 8][4] = {};
  for (; tile < tiles; ++tile) {
    await_tile(tile, tiles, start_tile);
    const int stage = static_cast<int>(tile % 2);
    float logits[kKeys / 8][4] = {};
    multiply_keys<kKeys>(query_rows + warp * 16 * (width + kPadding), key_rows + stage * key_tile, width, logits);
    take_tile<kKeys, kValue>(form, first_query + 16 * warp, tile * kKeys, softmax, logits, sums);
    multiply_values<kKeys, kValue>(logits, value_rows + stage * value_tile, value_width, sums);
    __syncthreads();  // before this stage is overwritten
  }

  const int g = static_cast<int>(threadIdx.x) % kWarp / 4, q = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float inverse = 1 / row_sum(softmax[half].sum);
    const int64_t query = first_query + 16 * warp + g + 8 * half;
    if (query >= s.length) continue;
#pragma unroll
    for (int t = 0; t < kValue / 8; ++t) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = 8 * t + 2 * q + e;
        if (column >= s.value_dim) continue;
        out[(query * s.heads + head) * s.value_dim + column] = from_float<Bf16>(inverse * sums[t][2 * half + e]);
      }
    }
  }
}

}  // namespace

void attend(const AttentionSizes& s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, const Bf16* values,
            Bf16* out, const Stream& stream) {
  const int64_t width = padded(s.head_dim) + kPadding, value_width = padded(s.value_dim) + kPadding;
  const auto start = [&](auto kernel, int64_t keys_of_tile) {
    const int64_t numbers = kQueries * width + 2 * keys_of_tile * (width + value_width);
    const Shape shape{dim3(blocks_for(s.length, kQueries), static_cast<unsigned>(s.heads)), dim3(kThreads),
                      static_cast<std::size_t>(numbers) * sizeof(Bf16)};
    launch("attention_mma", kernel, shape, stream, s, forms, queries, keys, values, out);
  };
  // Within 99 KiB of shared memory, which all chips have.
  const bool wide = padded(s.head_dim) > 128;
  if (!wide && padded(s.value_dim) <= 64) return start(attention_kernel<64, 64>, 64);
  if (!wide && padded(s.value_dim) <= 128) return start(attention_kernel<64, 128>, 64);
  if (padded(s.value_dim) <= 128) return start(attention_kernel<32, 128>, 32);
  start(attention_kernel<32, 256>, 32);
}

}  // namespace logitfield::kernels::cuda
