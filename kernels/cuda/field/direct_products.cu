#include "kernels/cuda/field/direct_products.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

// Sums of a head's logits, computed directly from its float32 rows. A key j stands for the vector (k_j - k_0, j, 1):
// its logit for the query i is scale q_i . (k_j - k_0) + slope (j - i 1), up to a constant of the row. So sums of such
// vectors give sums of logits.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kTile = static_cast<int>(kDeviceTileRows);
/// Weights of the sums over keys: 1 and the probes.
constexpr int kSums = 1 + kVectors;

__device__ double key_element(const HeadRows& keys, int64_t head, int64_t j, int c) {
  const float* rows = keys.data + head * keys.head_stride;
  if (c == keys.columns) return static_cast<double>(j);
  if (c > keys.columns) return 1;
  return static_cast<double>(rows[j * keys.columns + c]) - static_cast<double>(rows[c]);
}

__device__ double weight_of(const double* probes, int64_t length, int64_t j, int sum) {
  return sum == 0 ? 1 : probes[(sum - 1) * length + j];
}

/// One block per tile of keys; blockIdx.y is the KV head. out [heads, tiles, kSums, columns + 2].
__global__ void tile_sums_kernel(HeadRows keys, const double* probes, double* out) {
  const int width = keys.columns + 2;
  const int64_t begin = int64_t{blockIdx.x} * kTile, end = begin + kTile < keys.length ? begin + kTile : keys.length;
  double* sums = out + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * kSums * width;
  for (int e = static_cast<int>(threadIdx.x); e < kSums * width; e += kThreads) {
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      sum += weight_of(probes, keys.length, j, e / width) * key_element(keys, blockIdx.y, j, e % width);
    }
    sums[e] = sum;
  }
}

/// Threads that share a query's row; each takes every kGroups-th key.
constexpr int kGroups = kThreads / kTile;
/// Keys of the tile that are in shared memory at a time, and that a thread multiplies at a time.
constexpr int kChunk = 16, kTogether = kChunk / kGroups;
static_assert(kSampledKeys == kChunk && kGroups > kSums && kTile % kWarp == 0);

/// Logits weighted and summed over keys, and the weights alone.
struct Sums {
  double logits[kSums] = {}, weights[kSums] = {};
};

/// The places of a block's numbers in shared memory: a tile of float32 queries, keys, the sums before the tile, the
/// sums of all keys, the sums of a row's threads over the tile's keys, the sums of each row, and its mean.
struct Places {
  double *keys, *before, *all, *parts, *seen, *total, *means;
  float* queries;
  int stride;

  __device__ Places(double* memory, int width)
      : keys(memory),
        before(keys + kChunk * (width | 1)),
        all(before + kSums * (width | 1)),
        parts(all + kSums * (width | 1)),
        seen(parts + 2 * kSums * kThreads),
        total(seen + kSums * kTile),
        means(total + kSums * kTile),
        queries(reinterpret_cast<float*>(means + kTile)),
        stride(width | 1) {}
};
std::size_t direct_bytes(int columns) {
  const int stride = (columns + 2) | 1;
  return static_cast<std::size_t>((kChunk + 2 * kSums) * stride + 2 * kSums * kThreads + (2 * kSums + 1) * kTile) *
             sizeof(double) +
         static_cast<std::size_t>(kTile * (columns | 1)) * sizeof(float);
}

/// A query's row in shared memory, and what its logits need beside it.
struct Query {
  const float* row;
  int columns;
  double scale, slope, position;

  /// The logits of kCount vectors, `step` apart.
  template <int kCount>
  __device__ void times(const double* vectors, int step, double (&logits)[kCount]) const {
    double sums[kCount] = {};
    for (int c = 0; c < columns; ++c) {
      const double q = static_cast<double>(row[c]);
#pragma unroll
      for (int v = 0; v < kCount; ++v) sums[v] += q * vectors[v * step + c];
    }
    for (int v = 0; v < kCount; ++v) {
      const double* x = vectors + v * step;
      logits[v] = scale * sums[v] + slope * (x[columns] - position * x[columns + 1]);
    }
  }
};

__device__ void load_keys(const HeadRows& keys, int64_t head, const int64_t* positions, int64_t first, int count,
                          const Places& shared) {
  const int width = keys.columns + 2;
  for (int e = static_cast<int>(threadIdx.x); e < kChunk * width; e += kThreads) {
    const int key = e / width, c = e % width;
    const int64_t j = key < count ? (positions ? positions[key] : first + key) : 0;
    shared.keys[key * shared.stride + c] = key_element(keys, head, j, c);
  }
}

/// Sums over the keys j <= i of the tile, a chunk at a time. `row`: the query's place in the tile.
__device__ void add_tile(const Query& query, int row, int group, const HeadRows& keys, int64_t kv, int64_t first,
                         const double* probes, const Places& shared) {
  Sums sums;
  for (int chunk = 0; chunk < kTile; chunk += kChunk) {
    const int64_t left = keys.length - first - chunk;
    __syncthreads();  // the previous keys may still be in use
    load_keys(keys, kv, nullptr, first + chunk, left < kChunk ? static_cast<int>(left) : kChunk, shared);
    __syncthreads();
    double logits[kTogether];
    query.times(shared.keys + group * shared.stride, kGroups * shared.stride, logits);
    for (int k = 0; k < kTogether; ++k) {
      const int j = chunk + group + k * kGroups;
      if (j > row || first + j >= keys.length) continue;
      for (int s = 0; s < kSums; ++s) {
        const double weight = weight_of(probes, keys.length, first + j, s);
        sums.logits[s] += weight * logits[k];
        sums.weights[s] += weight;
      }
    }
  }
  for (int s = 0; s < kSums; ++s) {
    shared.parts[(2 * s) * kThreads + threadIdx.x] = sums.logits[s];
    shared.parts[(2 * s + 1) * kThreads + threadIdx.x] = sums.weights[s];
  }
}

__device__ double sum_of_groups(const double* parts, int row) {
  double sum = 0;
  for (int g = 0; g < kGroups; ++g) sum += parts[g * kTile + row];
  return sum;
}

/// Sums of a query's row over the keys j <= i, where they are asked for, and over all keys: the row's mean, and its
/// products with the probes.
__device__ void finish_row(const DirectSizes& sizes, const Query& query, int row, int group, const Places& shared,
                           double* products) {
  const int stride = shared.stride, one = query.columns + 1;
  if (group < kSums) {
    double logit[1];
    query.times(shared.all + group * stride, 0, logit);
    shared.total[group * kTile + row] = logit[0];
    if (sizes.causal_mean) {
      query.times(shared.before + group * stride, 0, logit);
      shared.seen[group * kTile + row] = logit[0] + sum_of_groups(shared.parts + 2 * group * kThreads, row);
    }
  }
  __syncthreads();
  const auto weight = [&](int s, bool seen) {
    return seen ? shared.before[s * stride + one] + sum_of_groups(shared.parts + (2 * s + 1) * kThreads, row)
                : shared.all[s * stride + one];
  };
  const bool of_seen = sizes.causal_mean;
  const double mean = (of_seen ? shared.seen : shared.total)[row] / weight(0, of_seen);
  if (group == 0) shared.means[row] = mean;
  if (!products || group == 0 || group >= kSums) return;
  const double logits = (sizes.masked ? shared.seen : shared.total)[group * kTile + row];
  products[group - 1] = logits - mean * weight(group, sizes.masked);
}

/// Each row's part of the energies of the sampled keys, summed over the block's rows.
__device__ void add_energies(const DirectSizes& sizes, const Query& query, int row, int group, bool valid,
                             const int64_t* sampled, const Places& shared, double* energies) {
  double logits[kTogether];
  query.times(shared.keys + group * shared.stride, kGroups * shared.stride, logits);
  for (int k = 0; k < kTogether; ++k) {
    const int key = group + k * kGroups;
    const bool counts =
        valid && key < sizes.sampled && !(sizes.masked && static_cast<double>(sampled[key]) > query.position);
    const double e = counts ? logits[k] - shared.means[row] : 0.0;
    const double sum = warp_sum(e * e);
    if (row % kWarp == 0) shared.parts[row / kWarp * kSampledKeys + key] = sum;
  }
  __syncthreads();
  if (threadIdx.x >= kSampledKeys) return;
  double sum = 0;
  for (int w = 0; w < kTile / kWarp; ++w) sum += shared.parts[w * kSampledKeys + static_cast<int>(threadIdx.x)];
  energies[threadIdx.x] = sum;
}

/// One block per tile of queries; blockIdx.y is the head. kGroups threads share a query.
__global__ void direct_products_kernel(DirectSizes sizes, HeadRows queries, HeadRows keys, const double* scales,
                                       const double* slopes, const int64_t* sampled, const double* probes,
                                       const double* before, const double* all, double* products, double* energies) {
  const int columns = keys.columns, width = columns + 2;
  const Places shared(reinterpret_cast<double*>(shared_memory()), width);
  const int64_t head = blockIdx.y, kv = head / sizes.members, first = int64_t{blockIdx.x} * kTile;
  const float* rows = queries.data + head * queries.head_stride + first * columns;
  for (int e = static_cast<int>(threadIdx.x); e < kTile * columns; e += kThreads) {
    shared.queries[e / columns * (columns | 1) + e % columns] = first + e / columns < queries.length ? rows[e] : 0.0F;
  }
  const double* sums = before + (kv * gridDim.x + blockIdx.x) * kSums * width;
  for (int e = static_cast<int>(threadIdx.x); e < kSums * width; e += kThreads) {
    shared.before[e / width * shared.stride + e % width] = sums[e];
    shared.all[e / width * shared.stride + e % width] = all[kv * kSums * width + e];
  }
  __syncthreads();
  const int row = static_cast<int>(threadIdx.x) % kTile, group = static_cast<int>(threadIdx.x) / kTile;
  const int64_t i = first + row;
  const Query query{shared.queries + row * (columns | 1), columns, scales[head], slopes[head], static_cast<double>(i)};
  if (sizes.causal_mean) add_tile(query, row, group, keys, kv, first, probes, shared);
  __syncthreads();
  load_keys(keys, kv, sampled, 0, kSampledKeys, shared);
  const bool valid = i < queries.length;
  finish_row(sizes, query, row, group, shared, valid ? products + (head * queries.length + i) * kVectors : nullptr);
  __syncthreads();
  add_energies(sizes, query, row, group, valid, sampled, shared,
               energies + (head * gridDim.x + blockIdx.x) * kSampledKeys);
}

Shape tiles_of(const HeadRows& rows, int64_t heads, std::size_t shared_bytes) {
  return {dim3(blocks_for(rows.length, kDeviceTileRows), static_cast<unsigned>(heads)), dim3(kThreads), shared_bytes};
}

}  // namespace

void key_sums(const HeadRows& keys, const double* probes, double* out, const Stream& stream) {
  launch("key_sums", tile_sums_kernel, tiles_of(keys, keys.heads, 0), stream, keys, probes, out);
}

void direct_products(const DirectSizes& sizes, const HeadRows& queries, const HeadRows& keys, const double* scales,
                     const double* slopes, const int64_t* sampled, const double* probes, const double* before,
                     const double* all, double* products, double* energies, const Stream& stream) {
  launch("direct_products", direct_products_kernel, tiles_of(keys, queries.heads, direct_bytes(keys.columns)), stream,
         sizes, queries, keys, scales, slopes, sampled, probes, before, all, products, energies);
}

int most_direct_columns() {
  int columns = 0;
  while (direct_bytes(columns + 1) <= most_shared_memory()) ++columns;
  return columns;
}

}  // namespace logitfield::kernels::cuda
