#pragma once
#include <optional>

#include "kernels/spectra/band_reduction.hpp"

namespace logitfield::kernels {

/// Returns a band of `width` superdiagonals with the singular values of a = [A 0; B C] [n, n], where B couples the
/// halves by fewer than `width` dimensions. Each half is reduced by itself, with a quarter of the flops of reducing a;
/// `a` is then overwritten as scratch. Returns nothing, and leaves `a` unchanged, if elements of the zero block are not
/// zero or B is not of such rank to rounding. n >= 4 width.
std::optional<Band> reduce_halves(Matrix& a, Index width);

}  // namespace logitfield::kernels
