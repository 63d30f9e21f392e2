#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mma_tile.hpp"

// Causal attention of bf16 on the tensor cores (after Dao 2023, FlashAttention-2). A warp holds 32 queries (16 of wide
// heads); scores, weights and sums stay in registers. Keys come through shared memory while the tile before them is
// used, values while their keys are.
namespace logitfield::kernels::cuda {
namespace {

using namespace mma;

/// Online softmax of a row (Milakov & Gimelshein 2018): reference and sum of the weights; each lane holds its part of
/// the sum.
struct RowSoftmax {
  float reference = kNoReference, sum = 0;
};

/// Raises a row's reference, and rescales its sums.
template <int kValue>
__device__ void raise(float to, float factor, int half, RowSoftmax& row, float (&sums)[kValue / 8][4]) {
  const float rescale = power_of_two(row.reference * factor - to * factor);
  row.reference = to;
  row.sum *= rescale;
#pragma unroll
  for (int t = 0; t < kValue / 8; ++t) {
    sums[t][2 * half] *= rescale;
    sums[t][2 * half + 1] *= rescale;
  }
}

/// Raises the references of rows that need it, and finds the rows' shifts. A NaN among scores is not looked for: it
/// will be in the weights.
template <int kTiles, int kKeys, int kValue>
__device__ void find_shifts(float factor, Accumulators<kTiles, kKeys>& scores, RowSoftmax (&softmax)[2 * kTiles],
                            Accumulators<kTiles, kValue>& sums, float (&shifts)[2 * kTiles]) {
  float largest[2 * kTiles];
  bool usual = true;
#pragma unroll
  for (int r = 0; r < 2 * kTiles; ++r) {
    float here = kMasked;
#pragma unroll
    for (int c = 0; c < kKeys / 4; ++c) here = fmaxf(here, scores[r / 2][c / 2][r % 2 * 2 + c % 2]);
    here = fmaxf(here, __shfl_xor_sync(kAllLanes, here, 1));
    largest[r] = fmaxf(here, __shfl_xor_sync(kAllLanes, here, 2));
    shifts[r] = softmax[r].reference * factor;
    usual = usual && !must_rise(softmax[r].reference, largest[r], factor) && !is_huge(shifts[r]);
  }
  if (usual) return;
#pragma unroll
  for (int r = 0; r < 2 * kTiles; ++r) {
    RowSoftmax& row = softmax[r];
    if (must_rise(row.reference, largest[r], factor)) raise<kValue>(largest[r], factor, r % 2, row, sums[r / 2]);
    shifts[r] = row.reference * factor;
    if (!is_huge(shifts[r])) continue;
    shifts[r] = 0;
#pragma unroll
    for (int c = 0; c < kKeys / 4; ++c) scores[r / 2][c / 2][r % 2 * 2 + c % 2] -= row.reference;
  }
}

/// Weights of 16 keys, as the left operand of a product.
template <int kKeys>
__device__ PackedA weights_of(const float (&scores)[kKeys / 8][4], int step, float factor, const float* shifts,
                              RowSoftmax* softmax) {
  PackedA out;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float(&from)[4] = scores[2 * step + i / 2];
    const float left = power_of_two(fmaf(from[i % 2 * 2], factor, -shifts[i % 2]));
    const float right = power_of_two(fmaf(from[i % 2 * 2 + 1], factor, -shifts[i % 2]));
    softmax[i % 2].sum += left + right;
    out.a[i] = pack(left, right);
  }
  return out;
}

/// sums += weights of scores [16 kTiles, kKeys] * values [kKeys, kValue].
template <int kTiles, int kKeys, int kValue>
__device__ void multiply_values(float factor, const Accumulators<kTiles, kKeys>& scores, const Bf16* values,
                                const float (&shifts)[2 * kTiles], RowSoftmax (&softmax)[2 * kTiles],
                                Accumulators<kTiles, kValue>& sums) {
  constexpr int kStride = kValue + kPadding;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const Bf16* value = values + lane % 16 * kStride + lane / 16 * 8;
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    PackedA a[kTiles];
#pragma unroll
    for (int m = 0; m < kTiles; ++m) a[m] = weights_of<kKeys>(scores[m], step, factor, shifts + 2 * m, softmax + 2 * m);
#pragma unroll
    for (int pair = 0; pair < kValue / 16; ++pair) {
      std::uint32_t b[4];
      load_matrices<true>(b, value + step * 16 * kStride + pair * 16);
#pragma unroll
      for (int m = 0; m < kTiles; ++m) {
        multiply_add(sums[m][2 * pair], a[m], {b[0], b[1]});
        multiply_add(sums[m][2 * pair + 1], a[m], {b[2], b[3]});
      }
    }
  }
}

/// Writes rows [16 kTiles, value_dim] of a head, `stride` apart. The weight of the sink's logit may be infinite.
template <int kTiles, int kValue>
__device__ void write_rows(const Scores& unit, float sink, const RowSoftmax (&softmax)[2 * kTiles],
                           const Accumulators<kTiles, kValue>& sums, int64_t rows, int value_dim, int64_t stride,
                           Bf16* out) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, q = lane % 4;
#pragma unroll
  for (int r = 0; r < 2 * kTiles; ++r) {
    const float of_sink = power_of_two((unit.of(sink) - softmax[r].reference) * unit.factor);
    const float inverse = 1 / (row_sum(softmax[r].sum) + of_sink);
    if (8 * r + g >= rows) continue;
    Bf16* row = out + (8 * r + g) * stride;
#pragma unroll
    for (int c = 0; c < kValue / 4; ++c) {
      const int column = c / 2 * 8 + 2 * q + c % 2;
      if (column < value_dim) row[column] = from_float<Bf16>(inverse * sums[r / 2][c / 2][r % 2 * 2 + c % 2]);
    }
  }
}

/// kHead, kValue: upper bounds on the padded dimensions, or (kExact) these themselves: then copying takes few
/// registers, of which there are none to spare. Shared memory: queries, a tile of keys, one of values.
template <int kTiles, int kKeys, int kHead, int kValue, bool kExact>
__global__ void __launch_bounds__(kThreads, 2)
    attention_kernel(AttentionSizes s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, const Bf16* values,
                     Bf16* out) {
  constexpr int kQueries = 16 * kTiles * kWarps;
  Bf16* query_rows = reinterpret_cast<Bf16*>(shared_memory());
  Bf16* key_rows = query_rows + kQueries * (kHead + kPadding);
  Bf16* value_rows = key_rows + kKeys * (kHead + kPadding);
  const int width = kExact ? kHead : static_cast<int>(padded(s.head_dim));
  const int value_width = kExact ? kValue : static_cast<int>(padded(s.value_dim));

  const int head = static_cast<int>(blockIdx.x), length = static_cast<int>(s.length);
  // Long rows of all heads first, so that the last blocks are short.
  const int first_query = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kQueries;
  const int end = first_query + kQueries < length ? first_query + kQueries : length;
  const int own_rows = static_cast<int>(threadIdx.x) / kWarp * 16 * kTiles;
  const HeadForm* form = forms + head;
  const Scores unit(*form);
  const OwnQueries<kTiles> own(form, first_query + own_rows);
  keys += head / (s.heads / s.kv_heads) * s.length * width;
  values += head / (s.heads / s.kv_heads) * s.length * value_width;
  const auto start_keys = [&](int key) {
    start_rows<kKeys, kHead>(keys + int64_t{key} * width, length - key, width, key_rows);
    end_copies();
  };
  const auto start_values = [&](int key) {
    start_rows<kKeys, kValue>(values + int64_t{key} * value_width, length - key, value_width, value_rows);
    end_copies();
  };

  RowSoftmax softmax[2 * kTiles];
  float sums[kTiles][kValue / 8][4] = {};
  int key = static_cast<int>(first_key_tile(*form, first_query, kKeys)) * kKeys;
  start_rows<kQueries, kHead>(queries + (head * s.length + first_query) * width, end - first_query, width, query_rows);
  start_keys(key);  // in one group with the queries
  for (; key < end; key += kKeys) {
    wait_for_copies<0>();
    __syncthreads();  // the keys are there, and the values before these were used
    start_values(key);
    float scores[kTiles][kKeys / 8][4] = {};
    const bool some = own.template see<kKeys>(key);
    if (some) multiply_keys<kTiles, kKeys, kHead>(query_rows + own_rows * (kHead + kPadding), key_rows, scores);
    wait_for_copies<0>();
    __syncthreads();  // the values are there, and the keys were used
    if (key + kKeys < end) start_keys(key + kKeys);
    if (!some) continue;
    own.template finish<kKeys>(unit, key, scores);
    float shifts[2 * kTiles];
    find_shifts<kTiles, kKeys, kValue>(unit.factor, scores, softmax, sums, shifts);
    multiply_values<kTiles, kKeys, kValue>(unit.factor, scores, value_rows, shifts, softmax, sums);
  }
  const int64_t first_own = first_query + own_rows, stride = s.heads * s.value_dim;
  write_rows<kTiles, kValue>(unit, form->sink, softmax, sums, s.length - first_own, s.value_dim, stride,
                             out + first_own * stride + head * s.value_dim);
}

}  // namespace

void attend(const AttentionSizes& s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, const Bf16* values,
            Bf16* out, const Stream& stream) {
  // Within 99 KiB of shared memory, which all chips have.
  const auto start = [&]<int kTiles, int kKeys, int kHead, int kValue, bool kExact = false>() {
    constexpr int kQueries = 16 * kTiles * kWarps;
    constexpr std::size_t kBytes =
        sizeof(Bf16) * ((kQueries + kKeys) * (kHead + kPadding) + kKeys * (kValue + kPadding));
    static_assert(kBytes <= 99 * 1024);
    const Shape shape{dim3(static_cast<unsigned>(s.heads), blocks_for(s.length, kQueries)), dim3(kThreads), kBytes};
    launch("attention_mma", attention_kernel<kTiles, kKeys, kHead, kValue, kExact>, shape, stream, s, forms, queries,
           keys, values, out);
  };
  const int64_t width = padded(s.head_dim), value_width = padded(s.value_dim);
  if (width == 64 && value_width == 64) return start.template operator()<2, 64, 64, 64, true>();
  if (width == 128 && value_width == 128) return start.template operator()<2, 64, 128, 128, true>();
  if (width <= 64 && value_width <= 64) return start.template operator()<2, 64, 64, 64>();
  if (width <= 128 && value_width <= 128) return start.template operator()<2, 32, 128, 128>();
  if (width == 192 && value_width == 128) return start.template operator()<2, 64, 192, 128, true>();
  start.template operator()<1, 32, 256, 256>();
}

}  // namespace logitfield::kernels::cuda
