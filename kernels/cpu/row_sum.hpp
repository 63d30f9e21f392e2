#pragma once
#include <array>
#include <numeric>
#include <span>

namespace logitfield::kernels::cpu {

/// Sums term(x) over a row's values x, converted to float64, in float64. Several partial sums let vector units add in
/// parallel.
template <class Term>
double row_sum(std::span<const float> row, const Term& term) {
  std::array<double, 16> parts{};
  std::size_t column = 0;
  for (; column + parts.size() <= row.size(); column += parts.size()) {
    for (std::size_t p = 0; p < parts.size(); ++p) parts[p] += term(static_cast<double>(row[column + p]));
  }
  for (; column < row.size(); ++column) parts[0] += term(static_cast<double>(row[column]));
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace logitfield::kernels::cpu
