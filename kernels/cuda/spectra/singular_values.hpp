#pragma once
#include "kernels/cuda/spectra/spectrum_operations.hpp"
#include "kernels/cuda/worker.hpp"

namespace logitfield::kernels::cuda {

/// Computes the singular values [count, n], descending, of `count` matrices [n, n], row-major, one after the other in
/// device memory. The matrices are overwritten. The error is that of orthogonal transformations, n roundings of the
/// largest value. A NaN or an infinity makes all values of its matrix NaN. All work is queued on the worker's stream;
/// the same matrices give the same values, bit for bit. Small matrices are reduced to bidiagonal form in shared memory;
/// others in two stages, as on the CPU (kernels/spectra/two_stage.hpp). Then values are bisected. Throws DeviceError.
Buffer<double> singular_values(const Worker& worker, double* matrices, Index n, Index count);

/// Returns the bytes of device memory that singular_values takes with its result, without the matrices [count, n, n].
constexpr std::int64_t singular_value_bytes(std::int64_t n, std::int64_t count) {
  const std::int64_t ends = 3 * n + sturm_steps(n) + kScaleParts + 2;
  return std::int64_t{sizeof(double)} * count * (ends + band_size(n) + panel_size(n) + 5 * kBand * n);
}

/// Runs the first stage alone: matrices with n > kBand become bands [count, band_size(n)] with kBand superdiagonals.
Buffer<double> reduce_to_bands(const Worker& worker, double* matrices, Index n, Index count);

}  // namespace logitfield::kernels::cuda
