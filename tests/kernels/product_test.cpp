#include "kernels/cpu/product.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::random_matrix;

constexpr Index kSizes[][3] = {{1, 1, 1}, {1, 64, 5}, {3, 1, 300}, {17, 31, 33}, {130, 100, 257}, {513, 70, 1000}};

/// How far a float32 sum of k products can lie from the exact one.
Matrix rounding(const MatrixF& x, const MatrixF& w) {
  const double k = static_cast<double>(x.cols());
  return (k + 1) * std::numeric_limits<float>::epsilon() * x.cwiseAbs().cast<double>() *
         w.cwiseAbs().cast<double>().transpose();
}

/// NaN fails.
bool within(const MatrixF& y, const Matrix& expected, const Matrix& bound) {
  return ((y.cast<double>() - expected).array().abs() <= bound.array()).all();
}

TEST(Product, EqualsTheExactOneWithinFloat32Rounding) {
  for (const auto& [n, k, m] : kSizes) {
    const MatrixF x = random_matrix<float>(n, k, 1), w = random_matrix<float>(m, k, 2);
    MatrixF y;
    multiply_transposed(x, w, Precision::float32, y);
    EXPECT_TRUE(within(y, x.cast<double>() * w.cast<double>().transpose(), rounding(x, w)))
        << n << " " << k << " " << m;
  }
}

TEST(Product, TakesPartsOfLargerMatrices) {
  const MatrixF x = random_matrix<float>(40, 90, 1), w = random_matrix<float>(70, 90, 2);
  MatrixF whole, part;
  multiply_transposed(MatrixF(x.middleCols(20, 50)), MatrixF(w.middleCols(20, 50)), Precision::float32, whole);
  multiply_transposed(x.middleCols(20, 50), w.middleCols(20, 50), Precision::float32, part);
  EXPECT_TRUE(within(part, whole.cast<double>(), rounding(x, w)));
}

TEST(Product, OfNothingIsEmpty) {
  MatrixF y(3, 3);
  multiply_transposed(MatrixF(0, 8), MatrixF(5, 8), Precision::float32, y);
  EXPECT_EQ(y.rows(), 0);
  EXPECT_EQ(y.cols(), 5);
}

TEST(Product, KeepsNaNs) {
  MatrixF x = random_matrix<float>(20, 30, 1), w = random_matrix<float>(40, 30, 2), y;
  x(7, 3) = std::numeric_limits<float>::quiet_NaN();
  for (const Precision precision : {Precision::float32, Precision::bf16}) {
    if (!can_multiply(precision)) continue;
    multiply_transposed(x, w, precision, y);
    EXPECT_TRUE(y.row(7).array().isNaN().all());
    EXPECT_TRUE(y.topRows(7).allFinite() && y.bottomRows(12).allFinite());
  }
}

float nearest_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value), below = bits & 0xffff0000U, above = below + 0x10000U;
  const double low = value - std::bit_cast<float>(below), high = std::bit_cast<float>(above) - value;
  const bool up = std::abs(high) < std::abs(low) || (std::abs(high) == std::abs(low) && (below & 0x10000U) != 0);
  return std::bit_cast<float>(up ? above : below);
}

TEST(Product, InBfloat16IsThatOfRoundedNumbersOrIsRefused) {
  for (const auto& [n, k, m] : kSizes) {
    MatrixF x = random_matrix<float>(n, k, 1), w = random_matrix<float>(m, k, 2), y;
    if (!can_multiply(Precision::bf16)) {
      EXPECT_THROW(multiply_transposed(x, w, Precision::bf16, y), std::invalid_argument);
      continue;
    }
    multiply_transposed(x, w, Precision::bf16, y);
    x = x.unaryExpr(&nearest_bfloat16);
    w = w.unaryExpr(&nearest_bfloat16);
    EXPECT_TRUE(within(y, x.cast<double>() * w.cast<double>().transpose(), rounding(x, w)))
        << n << " " << k << " " << m;
  }
}

TEST(Product, HasNoTf32) {
  MatrixF x = MatrixF::Ones(2, 2), y;
  EXPECT_FALSE(can_multiply(Precision::tf32));
  EXPECT_THROW(multiply_transposed(x, x, Precision::tf32, y), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield::kernels::cpu
