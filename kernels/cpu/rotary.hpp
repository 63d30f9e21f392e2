#pragma once
#include "io/config/architecture.hpp"
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// Cosine and sine of position * frequency, times the amplitude, [positions, pairs], computed in float64.
struct RotaryTable {
  MatrixF cosine, sine;
  Index first_column = 0;
  io::RotaryPairs pairs = io::RotaryPairs::halves;
};
RotaryTable rotary_table(const io::Rotary& rotary, Index positions);

/// Rotates rows 0 ... L-1 of one head [L, head_dim] in place.
void rotate(const RotaryTable& table, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> head);

}  // namespace logitfield::kernels::cpu
