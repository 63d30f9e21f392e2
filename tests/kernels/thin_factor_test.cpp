#include "kernels/field/thin_factor.hpp"

#include <gtest/gtest.h>

#include "gram_of.hpp"
#include "random_matrix.hpp"
#include "thread_team.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::graded_matrix;
using testing::gram_of;
using testing::random_matrix;

/// Rows of `a` on rank r of P: uneven numbers, and none where there are fewer rows than ranks.
MatrixF part_of(const MatrixF& a, const Team& team) {
  const Index begin = a.rows() * team.rank() / team.size(), end = a.rows() * (team.rank() + 1) / team.size();
  return a.middleRows(begin, end - begin);
}

/// Expects ||B^T B - I|| and ||A - B R|| / ||A|| within a small multiple of (L + d) eps; NaN fails.
void expect_factor(const MatrixF& a, const Team& team) {
  const MatrixF own = part_of(a, team);
  const FactorRows rows(own);
  const ThinFactor f = thin_factor(team, rows, gram_of(team, rows), a.rows());
  const Index k = std::min(a.rows(), a.cols());
  ASSERT_EQ(f.r().rows(), k);
  ASSERT_EQ(f.r().cols(), a.cols());
  const Matrix all = rows.all(), basis = f.basis_rows(0, all);
  ASSERT_EQ(basis.rows(), own.rows());
  ASSERT_EQ(basis.cols(), k);
  Matrix gram = basis.transpose() * basis;
  sum_over(team, gram);
  const double error = std::sqrt(sum_over(team, (all - basis * f.r()).squaredNorm()));
  const double size = std::sqrt(sum_over(team, all.squaredNorm()));
  const double tolerance = 32 * static_cast<double>(a.rows() + a.cols()) * kEpsilon;
  EXPECT_LE((gram - Matrix::Identity(k, k)).norm(), tolerance);
  EXPECT_LE(error, tolerance * size);

  const Matrix x = random_matrix(own.rows(), 3, 77);
  Matrix a_x = all.transpose() * x, basis_x = basis.transpose() * x;
  sum_over(team, a_x);
  sum_over(team, basis_x);
  EXPECT_LE((f.project(team, x, a_x) - basis_x).norm(), 100 * tolerance * std::max(basis_x.norm(), 1.0));
  const Matrix y = random_matrix(k, 2, 78);
  EXPECT_LE((f.times(0, all, f.coefficients(y)) - basis * y).norm(), 100 * tolerance * y.norm());
}

void expect_factor(const MatrixF& a) {
  expect_factor(a, alone());
  for (int ranks = 2; ranks <= 4; ++ranks) {
    testing::run_team(ranks, [&](const Team& team) { expect_factor(a, team); });
  }
}

TEST(ThinFactor, RandomShapes) {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{2, 1}, {33, 32}, {200, 7}, {513, 64}, {1000, 128}}) {
    expect_factor(random_matrix<float>(rows, columns, 1));
  }
}

TEST(ThinFactor, WideAndSquare) {
  expect_factor(random_matrix<float>(5, 16, 2));
  expect_factor(random_matrix<float>(16, 16, 3));
  expect_factor(random_matrix<float>(1, 4, 4));
}

TEST(ThinFactor, FewerRowsThanColumnsAndTheFirstOnesDependent) {
  MatrixF a = random_matrix<float>(5, 9, 10);
  a.col(1) = a.col(0);
  a.leftCols(4).rowwise() -= a.leftCols(4).colwise().mean().eval();
  expect_factor(a);
}

TEST(ThinFactor, GradedOverTwelveOrders) {
  for (const double orders : {1.0, 2.0, 5.0, 7.0, 9.0, 12.0}) {
    expect_factor(graded_matrix(300, 24, orders, 5).cast<float>());
  }
}

TEST(ThinFactor, RankDeficientIsNotCalledFullRank) {
  MatrixF a = MatrixF::Zero(100, 10);
  a.leftCols(3) = random_matrix<float>(100, 3, 6);
  const auto factor = [](const MatrixF& m) {
    const FactorRows rows(m);
    return thin_factor(alone(), rows, gram_of(alone(), rows), m.rows());
  };
  expect_factor(a);
  EXPECT_FALSE(factor(a).full_rank());
  EXPECT_FALSE(factor(MatrixF::Zero(20, 4)).full_rank());
  EXPECT_TRUE(factor(random_matrix<float>(100, 10, 8)).full_rank());
}

TEST(ThinFactor, ScaleDoesNotMatter) {
  expect_factor(1e30F * random_matrix<float>(64, 8, 9));
  expect_factor(1e-30F * random_matrix<float>(64, 8, 9));
}

}  // namespace
}  // namespace logitfield::kernels::cpu
