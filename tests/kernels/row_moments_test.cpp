// Tests rows drawn with the moments of other rows.
#include "kernels/field/row_moments.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/random.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels {
namespace {

using logitfield::testing::random_matrix;

RowMoments moments_of(const MatrixF& rows) {
  RowMoments out(rows.cols());
  const Index half = rows.rows() / 2;  // in two tiles
  for (const auto& [begin, count] : {std::pair(Index{0}, half), std::pair(half, rows.rows() - half)}) {
    if (count > 0) out.add_to_mean(rows.middleRows(begin, count));
  }
  for (const auto& [begin, count] : {std::pair(Index{0}, half), std::pair(half, rows.rows() - half)}) {
    if (count > 0) out.add_to_squares(rows.middleRows(begin, count));
  }
  return out;
}

Matrix centred_squares(const MatrixF& rows) {
  const Matrix a = rows.cast<double>();
  const Matrix centred = a.rowwise() - a.colwise().mean();
  return centred.transpose() * centred;
}

/// Correlated rows with unequal columns and a mean far from zero.
MatrixF uneven(Index rows, Index columns, unsigned seed) {
  const Matrix mix = random_matrix<double>(columns, columns, seed + 1);
  Matrix out = random_matrix<double>(rows, columns, seed) * mix;
  for (Index c = 0; c < columns; ++c) out.col(c).array() += 3.0 * static_cast<double>(c) - 5;
  return out.cast<float>();
}

/// Moments may differ only by rounding of the drawn rows to float32: 2^-24 of the largest entry, in every product.
TEST(GaussianLike, HasTheSameMeanAndSquares) {
  for (const auto& [length, width] : {std::pair<Index, Index>{200, 8}, {2500, 33}, {64, 64}, {9, 16}, {2, 5}}) {
    const MatrixF rows = uneven(length, width, static_cast<unsigned>(length));
    const MatrixF drawn = GaussianLike(moments_of(rows), 7).rows(0, length);
    const double largest = std::max(rows.cwiseAbs().maxCoeff(), drawn.cwiseAbs().maxCoeff());
    const double rounding = 4 * 0x1p-24 * largest;
    const Eigen::RowVectorXd mean = rows.cast<double>().colwise().mean(), found = drawn.cast<double>().colwise().mean();
    EXPECT_LE((mean - found).cwiseAbs().maxCoeff(), rounding) << length;
    const double difference = (centred_squares(rows) - centred_squares(drawn)).cwiseAbs().maxCoeff();
    EXPECT_LE(difference, 2 * rounding * largest * static_cast<double>(length)) << length;
    const double apart = (rows - drawn).norm(), spread = (rows.rowwise() - rows.colwise().mean()).norm();
    EXPECT_TRUE(length == 2 || apart > 0.1 * spread) << "other rows";
  }
}

TEST(GaussianLike, KeepsColumnsThatDoNotVary) {
  MatrixF rows = uneven(50, 6, 3);
  rows.col(2).setZero();
  rows.col(4).setConstant(1.5);
  const MatrixF drawn = GaussianLike(moments_of(rows), 1).rows(0, 50);
  EXPECT_TRUE((drawn.col(2).array() == 0).all());
  EXPECT_TRUE((drawn.col(4).array() == 1.5F).all());
  const MatrixF alike = MatrixF::Constant(5, 3, 2);
  EXPECT_TRUE((GaussianLike(moments_of(alike), 1).rows(0, 5).array() == 2).all());
}

TEST(GaussianLike, IsAFunctionOfSeedAndRow) {
  const MatrixF rows = uneven(3000, 5, 9);
  const GaussianLike drawn(moments_of(rows), 4);
  const MatrixF whole = drawn.rows(0, 3000), part = drawn.rows(1234, 700);
  EXPECT_TRUE((whole.middleRows(1234, 700).array() == part.array()).all());
  EXPECT_FALSE((GaussianLike(moments_of(rows), 5).rows(0, 3000).array() == whole.array()).all());
}

TEST(GaussianLike, OfWhatIsNotFiniteIsNotFinite) {
  MatrixF rows = uneven(40, 4, 2);
  rows(3, 1) = std::nanf("");
  EXPECT_FALSE(GaussianLike(moments_of(rows), 1).rows(0, 40).allFinite());
}

/// Gaussian rows and draws from them are exchangeable, so the rank of the rows' statistic among those of the draws is
/// uniform. The statistic, the largest product of two rows, depends only in part on the covariance.
TEST(GaussianLike, IsExchangeableWithGaussianRows) {
  constexpr int kExperiments = 600, kDraws = 4;
  constexpr Index kLength = 12, kWidth = 4;
  const auto statistic = [](const MatrixF& rows) {
    const Matrix a = rows.cast<double>();
    return (a * a.transpose()).cwiseAbs().maxCoeff();
  };
  std::vector<int> ranks(kDraws + 1, 0);
  for (int e = 0; e < kExperiments; ++e) {
    const MatrixF rows = uneven(kLength, kWidth, 1000 + 2 * static_cast<unsigned>(e));
    const RowMoments moments = moments_of(rows);
    int rank = 0;
    for (std::uint64_t d = 0; d < kDraws; ++d) {
      const auto seed = stream_seed(static_cast<std::uint64_t>(e), d);
      rank += statistic(GaussianLike(moments, seed).rows(0, kLength)) > statistic(rows);
    }
    ++ranks[static_cast<std::size_t>(rank)];
  }
  double chi_square = 0;
  const double expected = kExperiments / (kDraws + 1.0);
  for (const int count : ranks) chi_square += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_square, 18.5) << "0.1 % of chi square with 4 degrees of freedom";
}

}  // namespace
}  // namespace logitfield::kernels
