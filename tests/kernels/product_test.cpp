#include "kernels/cpu/product.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/weight_matrix.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

constexpr Index kSizes[][3] = {{1, 1, 1}, {1, 64, 5}, {3, 1, 300}, {17, 31, 33}, {130, 100, 257}, {513, 70, 1000}};

/// Largest distance of a float32 sum of k products from the exact sum.
Matrix rounding(const MatrixF& x, const MatrixF& w) {
  const double k = static_cast<double>(x.cols());
  return (k + 1) * std::numeric_limits<float>::epsilon() * x.cwiseAbs().cast<double>() *
         w.cwiseAbs().cast<double>().transpose();
}

/// Whether all entries lie within the bound; NaN fails.
bool within(const MatrixF& y, const Matrix& expected, const Matrix& bound) {
  return ((y.cast<double>() - expected).array().abs() <= bound.array()).all();
}

MatrixB rounded(const MatrixF& values) { return values.cast<Eigen::bfloat16>(); }

float nearest_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value), below = bits & 0xffff0000U, above = below + 0x10000U;
  const double low = value - std::bit_cast<float>(below), high = std::bit_cast<float>(above) - value;
  const bool up = std::abs(high) < std::abs(low) || (std::abs(high) == std::abs(low) && (below & 0x10000U) != 0);
  return std::bit_cast<float>(up ? above : below);
}

TEST(Product, EqualsTheExactOneWithinFloat32Rounding) {
  for (const auto& [n, k, m] : kSizes) {
    const MatrixF x = random_matrix<float>(n, k, 1), w = random_matrix<float>(m, k, 2);
    MatrixF y;
    multiply_transposed(x, w, y);
    EXPECT_TRUE(within(y, x.cast<double>() * w.cast<double>().transpose(), rounding(x, w)))
        << n << " " << k << " " << m;
  }
}

TEST(Product, TakesPartsOfLargerMatrices) {
  const MatrixF x = random_matrix<float>(40, 90, 1), w = random_matrix<float>(70, 90, 2);
  MatrixF whole, part;
  multiply_transposed(MatrixF(x.middleCols(20, 50)), MatrixF(w.middleCols(20, 50)), whole);
  multiply_transposed(x.middleCols(20, 50), w.middleCols(20, 50), part);
  EXPECT_TRUE(within(part, whole.cast<double>(), rounding(x, w)));
}

TEST(Product, OfNothingIsEmpty) {
  MatrixF y(3, 3);
  multiply_transposed(MatrixF(0, 8), MatrixF(5, 8), y);
  EXPECT_EQ(y.rows(), 0);
  EXPECT_EQ(y.cols(), 5);
}

TEST(Product, KeepsNaNs) {
  MatrixF x = random_matrix<float>(20, 30, 1), w = random_matrix<float>(40, 30, 2), y;
  x(7, 3) = std::numeric_limits<float>::quiet_NaN();
  const auto expect_one_row = [&] {
    EXPECT_TRUE(y.row(7).array().isNaN().all());
    EXPECT_TRUE(y.topRows(7).allFinite() && y.bottomRows(12).allFinite());
  };
  multiply_transposed(x, w, y);
  expect_one_row();
  if (!can_multiply(Precision::bf16)) return;
  multiply_transposed(rounded(x), rounded(w), y);
  expect_one_row();
}

TEST(Product, OfRowsEqualsTheExactOneToo) {
  for (const auto& [n, k, m] : kSizes) {
    const MatrixF x = random_matrix<float>(n, k, 1), w = random_matrix<float>(k, m, 2);
    MatrixF y;
    multiply(x, w, y);
    EXPECT_TRUE(within(y, x.cast<double>() * w.cast<double>(), rounding(x, w.transpose())))
        << n << " " << k << " " << m;
  }
}

TEST(Product, OfBfloat16NumbersIsExactWithinFloat32RoundingOrIsRefused) {
  for (const auto& [n, k, m] : kSizes) {
    const MatrixB x = rounded(random_matrix<float>(n, k, 1)), w = rounded(random_matrix<float>(m, k, 2));
    const MatrixB turned = w.transpose();
    MatrixF y;
    if (!can_multiply(Precision::bf16)) {
      EXPECT_THROW(multiply_transposed(x, w, y), std::invalid_argument);
      EXPECT_THROW(multiply(x, turned, y), std::invalid_argument);
      continue;
    }
    const MatrixF a = x.cast<float>(), b = w.cast<float>();
    const Matrix exact = a.cast<double>() * b.cast<double>().transpose();
    multiply_transposed(x, w, y);
    EXPECT_TRUE(within(y, exact, rounding(a, b))) << n << " " << k << " " << m;
    multiply(x, turned, y);
    EXPECT_TRUE(within(y, exact, rounding(a, b))) << n << " " << k << " " << m;
  }
}

TEST(WeightMatrix, HoldsTheNearestBfloat16NumbersInHalfTheMemory) {
  const MatrixF values = random_matrix<float>(17, 33, 1);
  const WeightMatrix exact(values, Precision::float32), half(values, Precision::bf16);
  EXPECT_TRUE(exact.is_for(Precision::float32) && exact.is_for(Precision::tf32) && !exact.is_for(Precision::bf16));
  EXPECT_TRUE(half.is_for(Precision::bf16) && !half.is_for(Precision::float32));
  EXPECT_EQ(exact.floats(3, 5), values.middleRows(3, 5));
  EXPECT_EQ(half.floats(3, 5), values.middleRows(3, 5).unaryExpr(&nearest_bfloat16));
  EXPECT_EQ(half.visit([](const auto& m) { return sizeof(*m.data()); }), 2U);
}

TEST(WeightMatrix, UsesItsMemoryAgain) {
  WeightMatrix weights;
  const void* first = weights.reset<Eigen::bfloat16>(8, 8).data();
  EXPECT_EQ(weights.reset<Eigen::bfloat16>(4, 16).data(), first);
  EXPECT_EQ(weights.reset<float>(2, 3).size(), 6);
  EXPECT_TRUE(weights.is_for(Precision::float32));
}

TEST(Product, HasNoTf32) { EXPECT_FALSE(can_multiply(Precision::tf32)); }

}  // namespace
}  // namespace logitfield::kernels::cpu
