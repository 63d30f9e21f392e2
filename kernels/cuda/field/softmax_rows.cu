#include <limits>

#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarp;
constexpr double kNone = -std::numeric_limits<double>::infinity();

__device__ inline double logit_of(const SoftmaxStrip& strip, double product, int64_t i, int64_t j) {
  const double x = product + strip.slope * static_cast<double>(j - i);
  return strip.cap > 0 ? strip.cap * tanh(x / strip.cap) : x;
}

/// One warp per row.
__global__ void __launch_bounds__(kThreads)
    softmax_strip_kernel(SoftmaxStrip strip, const double* products, double* out) {
  const int64_t r = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (r >= strip.rows) return;  // a whole warp
  const int64_t i = strip.first + r, first = strip.mask.first_key(i);
  const double* row = products + r * (strip.first + strip.rows);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  double max = kNone;
  for (int64_t j = first + lane; j <= i; j += kWarp) max = larger(max, logit_of(strip, row[j], i, j));
  max = warp_max(max);
  const double reference = larger(max, strip.sink);
  double weights = 0, weighted = 0;
  for (int64_t j = first + lane; j <= i; j += kWarp) {
    const double below = logit_of(strip, row[j], i, j) - reference, weight = exp(below);
    weights += weight;
    if (weight != 0) weighted += weight * below;  // 0 * -inf must not be formed
  }
  weights = warp_sum(weights);
  weighted = warp_sum(weighted);
  if (lane != 0) return;
  const double of_sink = exp(strip.sink - reference);
  weights += of_sink;
  if (of_sink != 0) weighted += of_sink * (strip.sink - reference);
  out[3 * r] = max;
  out[3 * r + 1] = log(weights) - weighted / weights;
  out[3 * r + 2] = first > 0 ? 0 : exp(logit_of(strip, row[0], i, 0) - reference) / weights;
}

}  // namespace

void softmax_rows(const SoftmaxStrip& strip, const double* products, double* out, const Stream& stream) {
  launch("softmax_strip", softmax_strip_kernel, Shape{dim3(blocks_for(strip.rows, kWarps)), dim3(kThreads)}, stream,
         strip, products, out);
}

}  // namespace logitfield::kernels::cuda
