#include "kernels/cpu/rotary.hpp"

#include <cmath>

namespace logitfield::kernels::cpu {

RotaryTable rotary_table(Index positions, Index head_dim, double theta) {
  const Index half = head_dim / 2;
  RotaryTable table{MatrixF(positions, half), MatrixF(positions, half)};
  for (Index k = 0; k < half; ++k) {
    const double frequency = std::pow(theta, -2.0 * static_cast<double>(k) / static_cast<double>(head_dim));
    for (Index position = 0; position < positions; ++position) {
      const double angle = static_cast<double>(position) * frequency;
      table.cosine(position, k) = static_cast<float>(std::cos(angle));
      table.sine(position, k) = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

void rotate(const RotaryTable& table, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> head) {
  const Index length = head.rows(), half = head.cols() / 2;
  const auto cosine = table.cosine.topRows(length), sine = table.sine.topRows(length);
  const MatrixF first = head.leftCols(half);
  auto low = head.leftCols(half), high = head.rightCols(half);
  low = first.cwiseProduct(cosine) - high.cwiseProduct(sine);
  high = (high.cwiseProduct(cosine) + first.cwiseProduct(sine)).eval();
}

}  // namespace logitfield::kernels::cpu
