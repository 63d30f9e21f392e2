#pragma once
#include <cstdint>

#include "kernels/matrix.hpp"

namespace logitfield::kernels {

/// Independent standard normal numbers: rows first_row ... first_row + rows - 1 of a matrix with `columns` columns.
/// Each is a function of (seed, row, column) alone, so that ranks which hold some rows make the same numbers as one
/// rank that holds all. SplitMix64 (Steele, Lea & Flood 2014) as a counter-based generator, Box-Muller.
Matrix gaussian_rows(std::uint64_t seed, Index first_row, Index rows, Index columns);

/// Independent numbers uniform in (-1, 1), made in the same way; cheaper.
Matrix uniform_rows(std::uint64_t seed, Index first_row, Index rows, Index columns);

/// A seed for one of several independent streams.
std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream);

}  // namespace logitfield::kernels
