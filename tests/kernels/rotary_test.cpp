#include "kernels/cpu/rotary.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

void expect_rotation(const RotaryTable& table) {
  const MatrixF q = random_matrix<float>(1, 16, 7).replicate(40, 1),
                k = random_matrix<float>(1, 16, 8).replicate(40, 1);
  MatrixF rotated_q = q, rotated_k = k;
  rotate(table, rotated_q);
  rotate(table, rotated_k);
  EXPECT_LE((rotated_q.rowwise().norm() - q.rowwise().norm()).cwiseAbs().maxCoeff(), 1e-5F);
  EXPECT_NEAR(rotated_q.row(25).dot(rotated_k.row(20)), rotated_q.row(9).dot(rotated_k.row(4)), 1e-4);
  EXPECT_GT(std::abs(rotated_q.row(25).dot(rotated_k.row(20)) - rotated_q.row(25).dot(rotated_k.row(4))), 1e-2);
  EXPECT_EQ(rotated_q.leftCols(4), q.leftCols(4));
  EXPECT_EQ(rotated_q.rightCols(4), q.rightCols(4));
}

TEST(Rotary, KeepsNormsDependsOnDistanceOnlyAndLeavesOtherColumns) {
  for (const io::RotaryPairs pairs :
       {io::RotaryPairs::halves, io::RotaryPairs::neighbours, io::RotaryPairs::neighbours_to_halves}) {
    expect_rotation(rotary_table({.first_column = 4, .frequencies = {1, 0.3, 0.09, 0.02}, .pairs = pairs}, 40));
  }
}

TEST(Rotary, PairsElementKWithKPlusHalf) {
  const RotaryTable table = rotary_table({.frequencies = {1, 0.1}}, 2);
  MatrixF head = MatrixF::Zero(2, 4);
  head(1, 0) = 1;
  head(1, 3) = 1;
  rotate(table, head);
  const float expected[] = {std::cos(1.F), -std::sin(0.1F), std::sin(1.F), std::cos(0.1F)};
  for (Index j = 0; j < 4; ++j) EXPECT_NEAR(head(1, j), expected[j], 1e-6);
}

}  // namespace
}  // namespace logitfield::kernels::cpu
