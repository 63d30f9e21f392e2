#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

// Kernels for a tile of kDeviceTileRows rows of a causal field, inside which logits are explicit. One block per tile.
namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp, kTile = static_cast<int>(kDeviceTileRows);

/// Where the rows of a head's tile begin.
__device__ int64_t first_row(const TileSizes& s, int64_t head, int64_t tile) {
  return ((head / s.shared * gridDim.x + tile) * s.shared + head % s.shared) * kTile;
}

/// One block per tile; blockIdx.y is the head. A warp takes a row at a time.
__global__ void tile_means_kernel(TileSizes s, double* x, const double* logits, const double* before, double* means) {
  const int stride = s.width + 1, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t head = blockIdx.y, padded = int64_t{gridDim.x} * kTile;
  const double* sums = before + ((head / s.shared * gridDim.x + blockIdx.x) * stride + s.width) * stride;
  const int64_t begin = first_row(s, head, blockIdx.x);
  x += begin * stride;
  logits += begin * kTile;
  means += head * padded;
  for (int r = static_cast<int>(threadIdx.x) / kWarp; r < kTile; r += kWarps) {
    const int64_t row = int64_t{blockIdx.x} * kTile + r;
    const double* tile_row = logits + r * kTile;
    double sum = 0;
    for (int c = lane; c < s.width; c += kWarp) sum += x[r * stride + c] * sums[c];
    for (int c = lane; c <= r; c += kWarp) sum += tile_row[c];
    const double mean = row < s.length ? warp_sum(sum) / static_cast<double>(row + 1) : 0.0;
    if (lane != 0) continue;
    x[r * stride + s.width] = -mean;
    means[row] = mean;
  }
}

__global__ void tile_squares_kernel(TileSizes s, const double* logits, const double* means, double* queries,
                                    double* keys) {
  const int64_t tile_row = int64_t{blockIdx.x} * kTile, first = first_row(s, blockIdx.y, blockIdx.x);
  const double* tile = logits + first * kTile;
  means += blockIdx.y * int64_t{gridDim.x} * kTile + tile_row;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int r = static_cast<int>(threadIdx.x) / kWarp; r < kTile; r += kWarps) {
    double sum = 0;
    for (int c = lane; c <= r; c += kWarp) {
      const double e = tile[r * kTile + c] - means[r];
      sum += e * e;
    }
    sum = warp_sum(sum);
    if (lane == 0) queries[first + r] = sum;
  }
  const int c = static_cast<int>(threadIdx.x);
  if (c >= kTile) return;
  double sum = 0;
  for (int r = c; r < kTile && tile_row + r < s.length; ++r) {
    const double e = tile[r * kTile + c] - means[r];
    sum += e * e;
  }
  keys[first + c] = sum;
}

__global__ void mask_tiles_kernel(double* logits, int64_t size) {
  for (int64_t e = first_element(); e < size; e += element_step()) {
    if (e % kTile > e / kTile % kTile) logits[e] = 0;
  }
}

Shape tile_shape(const TileSizes& s) {
  return {dim3(static_cast<unsigned>(padded_rows(s.length) / kDeviceTileRows), static_cast<unsigned>(s.heads)),
          dim3(kThreads)};
}

}  // namespace

void tile_means(const TileSizes& s, double* x, const double* logits, const double* before, double* means,
                const Stream& stream) {
  launch("tile_means", tile_means_kernel, tile_shape(s), stream, s, x, logits, before, means);
}

void tile_squares(const TileSizes& s, const double* logits, const double* means, double* queries, double* keys,
                  const Stream& stream) {
  launch("tile_squares", tile_squares_kernel, tile_shape(s), stream, s, logits, means, queries, keys);
}

void mask_tiles(double* logits, int64_t tiles, const Stream& stream) {
  const int64_t size = tiles * kDeviceTileRows * kDeviceTileRows;
  launch("mask_tiles", mask_tiles_kernel, shape_for(size), stream, logits, size);
}

}  // namespace logitfield::kernels::cuda
