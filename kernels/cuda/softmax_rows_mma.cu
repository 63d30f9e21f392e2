#include "kernels/cuda/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mma_tile.hpp"

namespace logitfield::kernels::cuda {
namespace {

using namespace mma;

constexpr int kKeys = 64;

/// Shared memory: queries, two tiles of keys.
__global__ void __launch_bounds__(kThreads)
    softmax_rows_kernel(SoftmaxSizes s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out) {
  const int width = static_cast<int>(padded(s.columns));
  Bf16* query_rows = reinterpret_cast<Bf16*>(shared_memory());
  Bf16* key_rows = query_rows + kQueries * (width + kPadding);
  const int key_tile = kKeys * (width + kPadding);
  const int64_t head = blockIdx.y, kv = head / (s.heads / s.kv_heads);
  const int64_t first_query = int64_t{gridDim.x - 1 - blockIdx.x} * kQueries;  // long rows first
  const int64_t end = first_query + kQueries < s.length ? first_query + kQueries : s.length;
  const int64_t tiles = (end + kKeys - 1) / kKeys;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, g = static_cast<int>(threadIdx.x) % kWarp / 4;
  const int64_t own_query = first_query + 16 * warp;
  const HeadForm form = forms[head];
  const auto start_tile = [&](int64_t tile) {
    const int64_t first = tile * kKeys;
    start_rows(keys + (kv * s.rows + first) * width, s.length - first, kKeys, width, key_rows + tile % 2 * key_tile);
    end_copies();
  };

  start_rows(queries + (head * s.rows + first_query) * width, end - first_query, kQueries, width, query_rows);
  int64_t tile = first_key_tile(form, first_query, kKeys);
  start_tile(tile);  // in one group with the queries
  RowSums sums[2];
  float first_logit[2] = {kMasked, kMasked};
  for (; tile < tiles; ++tile) {
    await_tile(tile, tiles, start_tile);
    float logits[kKeys / 8][4] = {};
    multiply_keys<kKeys>(query_rows + warp * 16 * (width + kPadding), key_rows + tile % 2 * key_tile, width, logits);
    const int64_t first_key = tile * kKeys;
    const bool all_seen = sees_all<kKeys>(form, own_query, first_key);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float row[kKeys / 4];
      row_of<kKeys>(logits, half, row);
      const auto key_of = [&](int c) { return first_key + column_of(c); };
      finish_logits(form, row, own_query + g + 8 * half, key_of, all_seen);
      if (tile == 0) first_logit[half] = row[0];
      sums[half].add(row);
    }
    __syncthreads();  // before the tile's memory is overwritten
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int64_t query = own_query + g + 8 * half;
    sums[half].write(first_logit[half], threadIdx.x % 4 == 0 && query < s.length, out + 3 * (head * s.length + query));
  }
}

}  // namespace

void softmax_rows(const SoftmaxSizes& s, const HeadForm* forms, const Bf16* queries, const Bf16* keys, double* out,
                  const Stream& stream) {
  const int64_t numbers = (kQueries + 2 * kKeys) * (padded(s.columns) + kPadding);
  const Shape shape{dim3(blocks_for(s.length, kQueries), static_cast<unsigned>(s.heads)), dim3(kThreads),
                    static_cast<std::size_t>(numbers) * sizeof(Bf16)};
  launch("softmax_rows_mma", softmax_rows_kernel, shape, stream, s, forms, queries, keys, out);
}

}  // namespace logitfield::kernels::cuda
