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
  using Step = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  const Index length = head.rows(), pairs = table.cosine.cols();
  const auto cosine = table.cosine.topRows(length), sine = table.sine.topRows(length);
  const bool from_halves = table.pairs == io::RotaryPairs::halves;
  const bool to_halves = table.pairs != io::RotaryPairs::neighbours;
  // Distance from the first to the second column of a pair, and distance between pairs.
  const Index second_in = from_halves ? pairs : 1, step_in = from_halves ? 1 : 2;
  const Index second_out = to_halves ? pairs : 1, step_out = to_halves ? 1 : 2;

  const MatrixF before = head.middleCols(table.first_column, 2 * pairs);
  const auto in = [&](Index offset) {
    return Eigen::Map<const MatrixF, 0, Step>(before.data() + offset, length, pairs, Step(2 * pairs, step_in));
  };
  const auto out = [&](Index offset) {
    float* first = head.data() + table.first_column + offset;
    return Eigen::Map<MatrixF, 0, Step>(first, length, pairs, Step(head.outerStride(), step_out));
  };
  const auto x = in(0), y = in(second_in);
  out(0) = x.cwiseProduct(cosine) - y.cwiseProduct(sine);
  out(second_out) = y.cwiseProduct(cosine) + x.cwiseProduct(sine);
}

}  // namespace logitfield::kernels::cpu
