#include "kernels/cuda/field/direct_products.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

// Sums of a head's logits straight from its float32 rows. A key j stands for the vector (k_j - k_0, j, 1), a query i
// for (scale q_i, slope, -slope i): their product is the logit, up to a constant of the row.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp, kTile = static_cast<int>(kTileRows);
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

/// Where a block's numbers are in shared memory: a tile of keys, the sampled keys, the sums before the tile (or of all
/// keys), those of all keys, and a query for each warp.
struct Places {
  double *keys, *sampled, *before, *all, *query;

  __device__ Places(double* memory, int stride)
      : keys(memory),
        sampled(keys + kTile * stride),
        before(sampled + kSampledKeys * stride),
        all(before + kSums * stride),
        query(all + kSums * stride) {}
};

/// Adds query . key of one key for each lane, over keys of `stride`.
__device__ double logit(const double* query, const double* key, int width) {
  double sum = 0;
  for (int c = 0; c < width; ++c) sum += query[c] * key[c];
  return sum;
}

/// Weighted sums of a row's logits over the keys of the tile up to row r, and of the weights alone.
__device__ void add_tile(const double* query, const double* keys, int stride, int width, const double* probes,
                         int64_t length, int64_t first, int r, double (&logits)[kSums], double (&weights)[kSums]) {
  for (int other = static_cast<int>(threadIdx.x) % kWarp; other <= r; other += kWarp) {
    const double x = logit(query, keys + other * stride, width);
    for (int s = 0; s < kSums; ++s) {
      const double weight = weight_of(probes, length, first + other, s);
      logits[s] += weight * x;
      weights[s] += weight;
    }
  }
}

/// query . sums for every weight, spread over the lanes of a warp.
__device__ void add_sums(const double* query, const double* sums, int stride, int width, double (&logits)[kSums]) {
  for (int c = static_cast<int>(threadIdx.x) % kWarp; c < width; c += kWarp) {
    for (int s = 0; s < kSums; ++s) logits[s] += query[c] * sums[s * stride + c];
  }
}

__device__ void over_lanes(double (&values)[kSums]) {
  for (int s = 0; s < kSums; ++s) values[s] = warp_sum(values[s]);
}

/// One block per tile of queries; blockIdx.y is the head.
__global__ void direct_products_kernel(DirectSizes sizes, HeadRows queries, HeadRows keys, const double* scales,
                                       const double* slopes, const int64_t* sampled, const double* probes,
                                       const double* before, const double* all, double* products, double* energies) {
  const int width = keys.columns + 2, stride = width | 1;
  const Places shared(reinterpret_cast<double*>(shared_memory()), stride);
  const int64_t head = blockIdx.y, kv = head / sizes.members, first = int64_t{blockIdx.x} * kTile;
  const int64_t left = keys.length - first;
  const int rows = left < kTile ? static_cast<int>(left) : kTile;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int e = static_cast<int>(threadIdx.x); e < (kTile + kSampledKeys) * width; e += kThreads) {
    const int row = e / width, c = e % width;
    if (row < kTile) {
      shared.keys[row * stride + c] = row < rows ? key_element(keys, kv, first + row, c) : 0.0;
    } else {
      shared.sampled[(row - kTile) * stride + c] = key_element(keys, kv, sampled[row - kTile], c);
    }
  }
  const double* sums = before + (kv * gridDim.x + blockIdx.x) * kSums * width;
  for (int e = static_cast<int>(threadIdx.x); e < kSums * width; e += kThreads) {
    shared.before[e / width * stride + e % width] = sums[e];
    shared.all[e / width * stride + e % width] = all[kv * kSums * width + e];
  }
  __syncthreads();
  double* query = shared.query + warp * stride;
  const double scale = scales[head], slope = slopes[head];
  double energy = 0;  // of sampled key `lane`
  for (int r = warp; r < rows; r += kWarps) {
    const int64_t i = first + r;
    const float* row = queries.data + head * queries.head_stride + i * queries.columns;
    for (int c = lane; c < width; c += kWarp) {
      query[c] = c < queries.columns ? scale * static_cast<double>(row[c])
                                     : (c == queries.columns ? slope : -slope * static_cast<double>(i));
    }
    __syncwarp();
    // Over the keys j <= i, where they are asked for, and over all keys.
    double seen[kSums] = {}, seen_weights[kSums] = {}, total[kSums] = {}, total_weights[kSums] = {};
    if (sizes.causal_mean) {
      add_tile(query, shared.keys, stride, width, probes, keys.length, first, r, seen, seen_weights);
      add_sums(query, shared.before, stride, width, seen);
      over_lanes(seen);
      over_lanes(seen_weights);
      for (int s = 0; s < kSums; ++s) seen_weights[s] += shared.before[s * stride + width - 1];
    }
    if (!sizes.masked) {
      add_sums(query, shared.all, stride, width, total);
      over_lanes(total);
      for (int s = 0; s < kSums; ++s) total_weights[s] = shared.all[s * stride + width - 1];
    }
    const double mean = sizes.causal_mean ? seen[0] / seen_weights[0] : total[0] / total_weights[0];
    if (lane < kVectors) {
      double sum = 0;
      for (int s = 1; s < kSums; ++s) {
        const double logits = sizes.masked ? seen[s] : total[s],
                     weights = sizes.masked ? seen_weights[s] : total_weights[s];
        if (s == lane + 1) sum = logits - mean * weights;
      }
      products[(head * keys.length + i) * kVectors + lane] = sum;
    }
    if (lane < sizes.sampled && !(sizes.masked && sampled[lane] > i)) {
      const double e = logit(query, shared.sampled + lane * stride, width) - mean;
      energy += e * e;
    }
    __syncwarp();  // before the next row's query
  }
  __syncthreads();
  // The tile's keys are no longer needed: their place takes the warps' energies.
  if (lane < kSampledKeys) shared.keys[warp * kSampledKeys + lane] = energy;
  __syncthreads();
  if (threadIdx.x >= kSampledKeys) return;
  double sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += shared.keys[w * kSampledKeys + static_cast<int>(threadIdx.x)];
  energies[(head * gridDim.x + blockIdx.x) * kSampledKeys + threadIdx.x] = sum;
}

Shape tiles_of(const HeadRows& rows, int64_t heads, std::size_t shared_bytes) {
  return {dim3(blocks_for(rows.length, kTileRows), static_cast<unsigned>(heads)), dim3(kThreads), shared_bytes};
}

std::size_t direct_bytes(int columns) {
  return static_cast<std::size_t>((kTile + kSampledKeys + 2 * kSums + kWarps) * ((columns + 2) | 1)) * sizeof(double);
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
