#include "kernels/cpu/rotary.hpp"

#include <cmath>

namespace logitfield::kernels::cpu {

RotaryTable rotary_table(const io::Rotary& rotary, Index positions) {
  const std::vector<double>& frequencies = rotary.frequencies_at(positions);
  const Index pairs = static_cast<Index>(frequencies.size());
  RotaryTable table{MatrixF(positions, pairs), MatrixF(positions, pairs), rotary.first_column, rotary.pairs};
  for (Index k = 0; k < pairs; ++k) {
    for (Index position = 0; position < positions; ++position) {
      const double angle = static_cast<double>(position) * frequencies[k];
      table.cosine(position, k) = static_cast<float>(rotary.amplitude * std::cos(angle));
      table.sine(position, k) = static_cast<float>(rotary.amplitude * std::sin(angle));
    }
  }
  return table;
}

void rotate(const RotaryTable& table, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> head) {
  const Index length = head.rows(), pairs = table.cosine.cols();
  const auto cosine = table.cosine.topRows(length), sine = table.sine.topRows(length);
  const MatrixF before = head.middleCols(table.first_column, 2 * pairs);
  auto columns = head.middleCols(table.first_column, 2 * pairs);
  const bool from_halves = table.pairs == io::RotaryPairs::halves,
             to_neighbours = table.pairs == io::RotaryPairs::neighbours;
  for (Index k = 0; k < pairs; ++k) {
    const auto x = before.col(from_halves ? k : 2 * k), y = before.col(from_halves ? k + pairs : 2 * k + 1);
    columns.col(to_neighbours ? 2 * k : k) = x.cwiseProduct(cosine.col(k)) - y.cwiseProduct(sine.col(k));
    columns.col(to_neighbours ? 2 * k + 1 : k + pairs) = y.cwiseProduct(cosine.col(k)) + x.cwiseProduct(sine.col(k));
  }
}

}  // namespace logitfield::kernels::cpu
