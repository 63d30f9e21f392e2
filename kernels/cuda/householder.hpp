#pragma once
#include <cfloat>
#include <cmath>

#include "kernels/cuda/warp.hpp"

namespace logitfield::kernels::cuda {

/// The reflection I - g u u^T, u = x - beta e_0, which takes x to (beta, 0, ..., 0).
struct Reflection {
  double beta, g;
};

/// `first`: x_0; `squares`: |x|^2. In matrices scaled by scale_for, an x whose square is below 1e-280 is far below
/// rounding. It counts as zero, because its square may be too inexact for an orthogonal reflection.
__device__ inline Reflection reflection(double first, double squares) {
  if (squares < 1e-280) return {first, 0};
  const double beta = -copysign(sqrt(squares), first);
  return {beta, 1 / (squares - beta * first)};
}

/// The power of two for a matrix with this largest magnitude; see scale_matrices.
__device__ inline double scale_for(double largest) {
  if (!(largest <= DBL_MAX)) return largest - largest;  // NaN
  if (largest == 0) return 1;
  const int exponent = ilogb(largest);
  if (-200 <= exponent && exponent <= 200) return 1;
  // 2^1000 is the largest power with an inverse, but for a few; it is enough for the smallest numbers.
  return ldexp(1.0, -exponent > 1000 ? 1000 : (-exponent < -1000 ? -1000 : -exponent));
}

/// Largest value of the threads of a block, NaN if one is NaN; every thread gets it. `scratch`: 32 values.
__device__ inline double block_max(double value, double* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  value = warp_max(value);
  __syncthreads();  // the previous maximum may still use the scratch
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  return warp_max(lane < static_cast<int>(blockDim.x) / kWarp ? scratch[lane] : scratch[0]);
}

}  // namespace logitfield::kernels::cuda
