#include "kernels/cpu/two_stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/cpu/band_reduction.hpp"
#include "kernels/cpu/bulge_chasing.hpp"
#include "kernels/cpu/dense_field.hpp"
#include "kernels/cpu/lapack.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::graded_matrix;
using testing::random_matrix;

/// What orthogonal transformations of an n x n matrix may change of a singular value, over the largest.
double rounding(Index n) { return 8 * static_cast<double>(n) * std::numeric_limits<double>::epsilon(); }

/// Descending, and within rounding of `expected`; NaN fails.
void expect_spectrum(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_TRUE(std::ranges::is_sorted(found, std::greater{}));
  const double allowed = rounding(std::ssize(expected)) * expected[0];
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(std::abs(found[i] - expected[i]) <= allowed)
        << i << " of " << found.size() << ": " << found[i] << ", expected " << expected[i];
  }
}

void expect_as_lapack(const Matrix& a) { expect_spectrum(two_stage_singular_values(a), singular_values(a)); }

/// Smaller than a band, whole bands, and remainders of one and of all but one.
constexpr Index kSizes[] = {1, 2, 31, 127, 128, 129, 159, 160, 161, 191, 300};

TEST(TwoStage, RandomMatrices) {
  for (const Index n : kSizes) expect_as_lapack(random_matrix(n, n, 1));
}

TEST(TwoStage, GradedSpectra) {
  for (const Index n : {130, 257}) {
    for (const double orders : {6, 14, 20}) expect_as_lapack(graded_matrix(n, n, orders, 2));
  }
}

TEST(TwoStage, CausalFieldsKeepTheirSmallestValues) {
  const MatrixF q = random_matrix<float>(256, 16, 3), k = random_matrix<float>(256, 16, 4);
  expect_as_lapack(dense_field(q, k, {.scale = 0.25}, Scope::causal));
}

TEST(TwoStage, KnownSpectra) {
  const Index n = 200;
  Vector values = Vector::LinSpaced(n, static_cast<double>(n), 1);
  std::vector<double> descending(values.begin(), values.end());
  expect_spectrum(two_stage_singular_values(values.reverse().asDiagonal().toDenseMatrix()), descending);
  expect_spectrum(two_stage_singular_values(Matrix::Identity(n, n)), std::vector<double>(n, 1));
  std::vector<double> one(n, 0);
  one[0] = static_cast<double>(n);
  expect_spectrum(two_stage_singular_values(Matrix::Ones(n, n)), one);
  expect_spectrum(two_stage_singular_values(Matrix::Zero(n, n)), std::vector<double>(n, 0));
}

TEST(TwoStage, DependentAndMissingColumns) {
  Matrix low = random_matrix(190, 5, 5) * random_matrix(5, 190, 6);
  expect_as_lapack(low);
  low.middleCols(20, 100).setZero();
  expect_as_lapack(low);
  low.middleRows(0, 150).setZero();
  expect_as_lapack(low);
}

TEST(TwoStage, AnyScale) {
  const Matrix a = random_matrix(140, 140, 7);
  const std::vector<double> expected = two_stage_singular_values(a);
  for (const int exponent : {-1000, -300, 1000}) {
    std::vector<double> found = two_stage_singular_values(a * std::ldexp(1.0, exponent));
    for (double& s : found) s = std::ldexp(s, -exponent);
    EXPECT_EQ(found, expected);
  }
}

TEST(TwoStage, RefusesWhatHasNoSpectrum) {
  Matrix a = random_matrix(140, 140, 8);
  EXPECT_THROW(two_stage_singular_values(a.leftCols(139)), std::invalid_argument);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    a(77, 3) = bad;
    EXPECT_THROW(two_stage_singular_values(a), std::runtime_error);
  }
}

TEST(BandReduction, LeavesABandOfTheSameSpectrum) {
  for (const Index n : kSizes) {
    const Matrix a = random_matrix(n, n, 9);
    Matrix band = a;
    reduce_to_band(band);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        if (j < i || j > i + kBandWidth) band(i, j) = 0;
      }
    }
    expect_spectrum(singular_values(band), singular_values(a));
  }
}

TEST(BulgeChasing, ReadsTheBandOnly) {
  for (const Index n : kSizes) {
    Matrix band = random_matrix(n, n, 10), scratch = band;
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        if (j >= i && j <= i + kBandWidth) continue;
        band(i, j) = 0;
        scratch(i, j) = std::numeric_limits<double>::quiet_NaN();
      }
    }
    expect_spectrum(singular_values(bidiagonalise(scratch)), singular_values(band));
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu
