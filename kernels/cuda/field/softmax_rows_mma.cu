#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mma_tile.hpp"

namespace logitfield::kernels::cuda {
namespace {

using namespace mma;

/// A lane's part of a row's softmax: largest score, and the sums of w and w y, where w = 2^y and y = factor (score -
/// reference). Sums over the keys of one call are in float32, over all keys in float64. Every lane has its own
/// reference until write().
struct RowSums {
  float largest = kMasked, reference = kNoReference;
  double weights = 0, weighted = 0;

  /// Takes in the scores of more keys: values 2 half and 2 half + 1 of each accumulator. kWhole: none is masked.
  template <bool kWhole, int kCount>
  __device__ void add(float (&scores)[kCount][4], int half, float factor) {
#pragma unroll
    for (int c = 0; c < 2 * kCount; ++c) largest = fmaxf(largest, scores[c / 2][2 * half + c % 2]);
    if (must_rise(reference, largest, factor)) raise(largest, factor);
    float shift = reference * factor;
    if (is_huge(shift)) {
      shift = 0;
#pragma unroll
      for (int c = 0; c < 2 * kCount; ++c) scores[c / 2][2 * half + c % 2] -= reference;
    }
    float some_weights = 0, some_weighted = 0;
#pragma unroll
    for (int c = 0; c < 2 * kCount; ++c) {
      const float y = fmaf(scores[c / 2][2 * half + c % 2], factor, -shift), weight = power_of_two(y);
      some_weights += weight;
      some_weighted = fmaf(weight, kWhole ? y : fmaxf(y, kNoReference), some_weighted);  // 0 * -inf must not be formed
    }
    weights += static_cast<double>(some_weights);
    weighted += static_cast<double>(some_weighted);
  }
  /// out: largest logit, entropy, weight of position 0, whose score the row's first lane knows. All lanes must call it.
  /// The sink's logit counts once, for all lanes.
  __device__ void write(const Scores& unit, float sink, float first_score, bool writes, double* out) {
    const float of_sink = unit.of(sink);
    raise(fmaxf(row_max(reference), of_sink), unit.factor);
    const double power = (static_cast<double>(of_sink) - static_cast<double>(reference)) * unit.factor;
    const double weight = exp2(power), all = row_sum(weights) + weight;
    const double all_weighted = row_sum(weighted) + (weight > 0 ? weight * power : 0);
    const float max = row_max(largest);
    if (!writes) return;
    const double first = static_cast<double>(first_score) - static_cast<double>(reference);
    out[0] = all == all ? static_cast<double>(unit.unit * max) : all;
    out[1] = log(all) - kLog2 * all_weighted / all;
    out[2] = exp2(first * static_cast<double>(unit.factor)) / all;
  }

 private:
  static constexpr double kLog2 = 0.6931471805599453;

  __device__ void raise(float to, float factor) {
    const double by = static_cast<double>(reference * factor) - static_cast<double>(to * factor), rescale = exp2(by);
    weighted = weights > 0 ? (weighted + by * weights) * rescale : 0;
    weights *= rescale;
    reference = to;
  }
};

template <bool kWhole, int kTiles, int kKeys>
__device__ void add_tile(Accumulators<kTiles, kKeys>& scores, float factor, RowSums (&sums)[2 * kTiles]) {
#pragma unroll
  for (int r = 0; r < 2 * kTiles; ++r) sums[r].template add<kWhole>(scores[r / 2], r % 2, factor);
}

/// kColumns: upper bound on the padded columns. Shared memory: queries, two tiles of keys.
template <int kTiles, int kKeys, int kColumns>
__global__ void __launch_bounds__(kThreads, kTiles == 1 ? 2 : 3)
    softmax_rows_kernel(SoftmaxSizes s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out) {
  constexpr int kQueries = 16 * kTiles * kWarps, kStride = kColumns + kPadding;
  Bf16* query_rows = reinterpret_cast<Bf16*>(shared_memory());
  Bf16* key_rows = query_rows + kQueries * kStride;
  const int width = static_cast<int>(padded(s.columns));
  const int head = static_cast<int>(blockIdx.x), length = static_cast<int>(s.length);
  // Long rows of all heads first, so that the last blocks are short.
  const int first_query = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kQueries;
  const int end = first_query + kQueries < length ? first_query + kQueries : length;
  const int own_rows = static_cast<int>(threadIdx.x) / kWarp * 16 * kTiles;
  const HeadForm* form = forms + head;
  const Scores unit(*form);
  const OwnQueries<kTiles> own(form, first_query + own_rows);
  keys += head / (s.heads / s.kv_heads) * s.rows * width;
  const auto stage_of = [&](int key) { return key_rows + key / kKeys % 2 * (kKeys * kStride); };
  const auto start_keys = [&](int key) {
    start_rows<kKeys, kColumns>(keys + int64_t{key} * width, length - key, width, stage_of(key));
    end_copies();
  };

  RowSums sums[2 * kTiles];
  float first_scores[2 * kTiles];
  for (float& x : first_scores) x = kMasked;
  int key = static_cast<int>(first_key_tile(*form, first_query, kKeys)) * kKeys;
  start_rows<kQueries, kColumns>(queries + (head * s.rows + first_query) * width, end - first_query, width, query_rows);
  start_keys(key);  // in one group with the queries
  for (; key < end; key += kKeys) {
    wait_for_copies<0>();
    __syncthreads();  // the keys are there, and those before them were used
    if (key + kKeys < end) start_keys(key + kKeys);
    if (!own.template see<kKeys>(key)) continue;
    float scores[kTiles][kKeys / 8][4] = {};
    multiply_keys<kTiles, kKeys, kColumns>(query_rows + own_rows * kStride, stage_of(key), scores);
    own.template finish<kKeys>(unit, key, scores);
    if (key == 0) {
#pragma unroll
      for (int r = 0; r < 2 * kTiles; ++r) first_scores[r] = scores[r / 2][0][r % 2 * 2];
    }
    if (own.template see_all<kKeys>(key)) {
      add_tile<true, kTiles, kKeys>(scores, unit.factor, sums);
    } else {
      add_tile<false, kTiles, kKeys>(scores, unit.factor, sums);
    }
  }
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int r = 0; r < 2 * kTiles; ++r) {
    const int query = first_query + own_rows + 8 * r + lane / 4;
    sums[r].write(unit, form->sink, first_scores[r], lane % 4 == 0 && query < length,
                  out + 3 * (head * s.length + query));
  }
}

}  // namespace

void softmax_rows(const SoftmaxSizes& s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out,
                  const Stream& stream) {
  // Within 99 KiB of shared memory, which all chips have.
  const auto start = [&]<int kTiles, int kKeys, int kColumns>() {
    constexpr int kQueries = 16 * kTiles * kWarps;
    constexpr int kBytes = (kQueries + 2 * kKeys) * (kColumns + kPadding) * static_cast<int>(sizeof(Bf16));
    static_assert(kBytes <= 99 * 1024);
    const Shape shape{dim3(static_cast<unsigned>(s.heads), blocks_for(s.length, kQueries)), dim3(kThreads), kBytes};
    launch("softmax_rows_mma", softmax_rows_kernel<kTiles, kKeys, kColumns>, shape, stream, s, forms, queries, keys,
           out);
  };
  const int64_t width = padded(s.columns);
  if (width <= 64) return start.template operator()<2, 64, 64>();
  if (width <= 128) return start.template operator()<2, 64, 128>();
  start.template operator()<1, 32, 256>();
}

}  // namespace logitfield::kernels::cuda
