#pragma once
#include <cstdint>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Independent standard normal numbers, each a function of (seed, row, column) alone, so that ranks which hold some
/// rows make the same numbers as one rank that holds all. Rows first_row ... of a matrix with `columns` columns.
/// SplitMix64 (Steele, Lea & Flood 2014) as a counter-based generator, Box-Muller.
Matrix gaussian_rows(std::uint64_t seed, Index first_row, Index rows, Index columns);

/// The same, uniform in (-1, 1): cheaper.
Matrix uniform_rows(std::uint64_t seed, Index first_row, Index rows, Index columns);

/// A seed for one of several independent streams.
std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream);

}  // namespace logitfield::kernels
