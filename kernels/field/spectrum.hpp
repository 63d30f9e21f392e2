#pragma once
#include <span>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// `sigma` descending, of a matrix whose larger dimension is `max_dimension`; a field whose largest singular value is
/// at most `zero_below` (its rounding noise) counts as zero, and singular values of at most `unresolved` count for no
/// rank. Source: MATH "Statistics of one head".
SpectrumStatistics spectrum_statistics(std::span<const double> sigma, std::int64_t max_dimension, double zero_below,
                                       double unresolved = 0);

/// The same of leading singular values only, descending and at least one, of a field with that energy. What they do not
/// decide is undefined: rank -1, the effective ranks and the participation ratio NaN.
SpectrumStatistics leading_spectrum_statistics(std::span<const double> sigma, double energy);

/// Of a field that vanishes.
SpectrumStatistics zero_spectrum();

}  // namespace logitfield::kernels
