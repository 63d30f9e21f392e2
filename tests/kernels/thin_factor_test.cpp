#include "kernels/cpu/thin_factor.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::graded_matrix;
using testing::random_matrix;

/// ||B^T B - I|| and ||A - B R|| / ||A||, both within (L + d) eps up to a small constant; NaN fails.
void expect_factor(const Matrix& a) {
  const ThinFactor f = thin_factor(a);
  const Index k = std::min(a.rows(), a.cols());
  ASSERT_EQ(f.basis.rows(), a.rows());
  ASSERT_EQ(f.basis.cols(), k);
  ASSERT_EQ(f.r.rows(), k);
  ASSERT_EQ(f.r.cols(), a.cols());
  const double tolerance = 32 * static_cast<double>(a.rows() + a.cols()) * std::numeric_limits<double>::epsilon();
  EXPECT_LE((f.basis.transpose() * f.basis - Matrix::Identity(k, k)).norm(), tolerance);
  EXPECT_LE((a - f.basis * f.r).norm(), tolerance * a.norm());
}

TEST(ThinFactor, RandomShapes) {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{2, 1}, {33, 32}, {200, 7}, {513, 64}, {1000, 128}}) {
    const Matrix a = random_matrix(rows, columns, 1);
    expect_factor(a);
  }
}

TEST(ThinFactor, WideAndSquare) {
  expect_factor(random_matrix(5, 16, 2));
  expect_factor(random_matrix(16, 16, 3));
  expect_factor(random_matrix(1, 4, 4));
}

TEST(ThinFactor, GradedOverTwelveOrders) {
  for (const double orders : {2.0, 5.0, 7.0, 9.0, 12.0}) expect_factor(graded_matrix(300, 24, orders, 5));
}

TEST(ThinFactor, RankDeficientIsNotCalledFullRank) {
  const Matrix a = random_matrix(100, 3, 6) * random_matrix(3, 10, 7);
  expect_factor(a);
  EXPECT_FALSE(thin_factor(a).full_rank);
  EXPECT_FALSE(thin_factor(Matrix::Zero(20, 4)).full_rank);
  EXPECT_TRUE(thin_factor(random_matrix(100, 10, 8)).full_rank);
}

TEST(ThinFactor, ScaleDoesNotMatter) {
  expect_factor(1e150 * random_matrix(64, 8, 9));
  expect_factor(1e-150 * random_matrix(64, 8, 9));
}

}  // namespace
}  // namespace logitfield::kernels::cpu
