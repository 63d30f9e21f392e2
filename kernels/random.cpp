#include "kernels/random.hpp"

#include <cmath>
#include <numbers>

namespace logitfield::kernels {
namespace {

/// SplitMix64's output function: a bijection of 64-bit numbers that passes statistical tests on counters.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// In (0, 1].
double uniform(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

}  // namespace

std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t stream) { return mix(mix(seed) ^ stream); }

Matrix gaussian_rows(std::uint64_t seed, Index first_row, Index rows, Index columns) {
  Matrix out(rows, columns);
  for (Index r = 0; r < rows; ++r) {
    const std::uint64_t row_seed = stream_seed(seed, static_cast<std::uint64_t>(first_row + r));
    for (Index c = 0; c < columns; ++c) {
      const std::uint64_t first = mix(row_seed + 2 * static_cast<std::uint64_t>(c) + 1);
      const double radius = std::sqrt(-2 * std::log(uniform(first)));
      out(r, c) = radius * std::cos(2 * std::numbers::pi * uniform(mix(first)));
    }
  }
  return out;
}

Matrix uniform_rows(std::uint64_t seed, Index first_row, Index rows, Index columns) {
  Matrix out(rows, columns);
  for (Index r = 0; r < rows; ++r) {
    const std::uint64_t row_seed = stream_seed(seed, static_cast<std::uint64_t>(first_row + r));
    for (Index c = 0; c < columns; ++c) {
      out(r, c) = 2 * uniform(mix(row_seed + static_cast<std::uint64_t>(c) + 1)) - 1;
    }
  }
  return out;
}

}  // namespace logitfield::kernels
