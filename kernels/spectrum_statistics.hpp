#pragma once
#include <span>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// `sigma` descending, of a matrix whose larger dimension is `max_dimension`; a field whose largest singular value is
/// at most `zero_below` (its rounding noise) counts as zero. Source: MATH "Statistics of one head".
SpectrumStatistics spectrum_statistics(std::span<const double> sigma, std::int64_t max_dimension, double zero_below);

}  // namespace logitfield::kernels
