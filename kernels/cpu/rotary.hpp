#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// cos and sin of position * theta^(-2k / head_dim), [positions, head_dim / 2], computed in float64.
struct RotaryTable {
  MatrixF cosine, sine;
};
RotaryTable rotary_table(Index positions, Index head_dim, double theta);

/// Rotates rows 0 ... L-1 of one head [L, head_dim] in place: element k pairs with k + head_dim / 2 (the Hugging Face
/// layout of RoPE, Su et al. 2021).
void rotate(const RotaryTable& table, Eigen::Ref<MatrixF, 0, Eigen::OuterStride<>> head);

}  // namespace logitfield::kernels::cpu
