#pragma once
#include <optional>

#include "kernels/spectra/band_reduction.hpp"

namespace logitfield::kernels::cpu {

/// A band of `width` superdiagonals with the singular values of a = [A 0; B C] [n, n], where B couples the halves by
/// less than `width` dimensions: each half is reduced by itself, a quarter of the flops of reducing a. `a` is left as
/// scratch then. Nothing, and `a` as it was, if elements of the zero block are not zero or B is not of such rank to
/// rounding. n >= 4 width.
std::optional<Band> reduce_halves(Matrix& a, Index width);

}  // namespace logitfield::kernels::cpu
