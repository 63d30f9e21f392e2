#pragma once
#include "kernels/spectra/band_reduction.hpp"
#include "kernels/spectra/lapack.hpp"

namespace logitfield::kernels {

/// Numbers of superdiagonals that bidiagonalise supports. The first is wide enough for products at full speed.
inline constexpr Index kBandWidths[] = {32, 40, 72};

/// Returns a bidiagonal matrix with the singular values of a band. About 8 n^2 width flops, in cache (Lang 1996;
/// Haidar, Ltaief & Dongarra 2013). Throws std::invalid_argument for a width that is not one of kBandWidths.
Bidiagonal bidiagonalise(const Band& band);

}  // namespace logitfield::kernels
