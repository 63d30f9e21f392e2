#pragma once
#include <span>

#include "kernels/statistics.hpp"

namespace logitfield::kernels {

/// Computes the statistics of the singular values `sigma`, descending, of a matrix whose larger dimension is
/// `max_dimension`. A field whose largest singular value is at most `zero_below` (its rounding noise) counts as zero.
/// Singular values of at most `unresolved` do not count for the rank. See docs/statistics.md.
SpectrumStatistics spectrum_statistics(std::span<const double> sigma, std::int64_t max_dimension, double zero_below,
                                       double unresolved = 0);

/// Computes the statistics of leading singular values only, descending and at least one, of a field with that energy.
/// Statistics that they do not determine are undefined: rank -1, the effective ranks and the participation ratio NaN.
SpectrumStatistics leading_spectrum_statistics(std::span<const double> sigma, double energy);

/// Returns the statistics of a zero field.
SpectrumStatistics zero_spectrum();

}  // namespace logitfield::kernels
