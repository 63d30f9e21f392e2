#include "kernels/spectra/two_stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/field/dense_field.hpp"
#include "kernels/spectra/band_reduction.hpp"
#include "kernels/spectra/bulge_chasing.hpp"
#include "kernels/spectra/coupled_halves.hpp"
#include "kernels/spectra/lapack.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels::cpu {
namespace {

using testing::graded_matrix;
using testing::random_matrix;

/// Largest change of a singular value by orthogonal transformations of an n x n matrix, relative to the largest value.
double rounding(Index n) { return 8 * static_cast<double>(n) * kEpsilon; }

/// Expects descending values within rounding of `expected`; NaN fails.
void expect_spectrum(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_TRUE(std::ranges::is_sorted(found, std::greater{}));
  const double allowed = rounding(std::ssize(expected)) * expected[0];
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(std::abs(found[i] - expected[i]) <= allowed)
        << i << " of " << found.size() << ": " << found[i] << ", expected " << expected[i];
  }
}

/// The full matrix of a band.
Matrix whole(const Band& band) {
  const Index n = band.rows();
  Matrix out = Matrix::Zero(n, n);
  for (Index i = 0; i < n; ++i) {
    const Index there = std::min(band.cols(), n - i);
    out.row(i).segment(i, there) = band.row(i).head(there);
  }
  return out;
}

void expect_as_lapack(const Matrix& a) { expect_spectrum(two_stage_singular_values(a), singular_values(a)); }

/// Orders below one band, of whole bands, and with remainders of one and of all but one.
constexpr Index kOrders[] = {1, 2, 31, 127, 128, 129, 159, 160, 161, 191, 300};

TEST(TwoStage, RandomMatrices) {
  for (const Index n : kOrders) expect_as_lapack(random_matrix(n, n, 1));
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
  for (const Index n : kOrders) {
    const Matrix a = random_matrix(n, n, 9);
    for (const Index width : kBandWidths) {
      Matrix scratch = a;
      expect_spectrum(singular_values(whole(reduce_to_band(scratch, width))), singular_values(a));
    }
  }
}

TEST(BandReduction, LeavesTheFirstColumnsTheirSpan) {
  const Index n = 200, width = 40;
  const Matrix a = random_matrix(n, n, 9);
  Matrix scratch = a;
  const Matrix band = whole(reduce_to_band(scratch, width));
  // Q^T a P, where P has no effect on these columns: their products with each other stay the same.
  const Matrix found = band.leftCols(width).transpose() * band.leftCols(width);
  const Matrix expected = a.leftCols(width).transpose() * a.leftCols(width);
  EXPECT_TRUE((found - expected).norm() <= rounding(n) * expected.norm());
}

TEST(BulgeChasing, BandsOfEveryWidth) {
  for (const Index n : kOrders) {
    for (const Index width : kBandWidths) {
      Band band = random_matrix(n, width + 1, 10);
      for (Index i = std::max<Index>(0, n - width); i < n; ++i) band.row(i).tail(i + width + 1 - n).setZero();
      expect_spectrum(singular_values(bidiagonalise(band)), singular_values(whole(band)));
    }
  }
  EXPECT_THROW(bidiagonalise(Band::Zero(100, 34)), std::invalid_argument);
}

/// [A 0; B C] with triangular A and C, and B of rank `coupling`.
Matrix coupled(Index n, Index coupling, unsigned seed) {
  const Index upper = n / 2;
  Matrix out = random_matrix(n, n, seed).triangularView<Eigen::Lower>();
  out.bottomLeftCorner(n - upper, upper) =
      random_matrix(n - upper, coupling, seed + 1) * random_matrix(coupling, upper, seed + 2);
  return out;
}

TEST(CoupledHalves, HaveTheSpectrumOfTheWhole) {
  for (const Index width : kBandWidths) {
    for (const Index n : {4 * width, 4 * width + 1, 5 * width + 7}) {
      for (const Index coupling : {Index{0}, Index{1}, width - 4}) {
        const Matrix a = coupled(n, coupling, 11);
        Matrix scratch = a;
        const std::optional<Band> band = reduce_halves(scratch, width);
        ASSERT_TRUE(band);
        expect_spectrum(singular_values(whole(*band)), singular_values(a));
      }
    }
  }
}

TEST(CoupledHalves, LeaveWhatIsNotCoupledSoAlone) {
  const Index n = 160, width = 32;
  Matrix high = coupled(n, width + 1, 12), filled = coupled(n, 5, 12), slightly = coupled(n, width, 12);
  filled(2, n - 1) = 1e-300;
  slightly(n - 1, 3) += 1e-8;
  for (Matrix a : {high, filled, slightly, Matrix(random_matrix(n, n, 13))}) {
    const Matrix before = a;
    EXPECT_FALSE(reduce_halves(a, width));
    EXPECT_TRUE(a == before);
    expect_spectrum(two_stage_singular_values(a, 5), singular_values(a));
  }
}

/// Heads of 16 (band of 32) and 32 dimensions (band of 40), in contexts long enough for coupled halves. Includes keys
/// of one direction, repeated keys and a slope.
TEST(CoupledHalves, CausalFields) {
  for (const Index d : {16, 32}) {
    for (const Index n : {400, 431}) {
      const MatrixF q = random_matrix<float>(n, d, 14);
      MatrixF k = random_matrix<float>(n, d, 15), alike = k, repeated = k;
      alike.rowwise() += MatrixF::Constant(1, d, 30).row(0);
      for (Index i = 0; i < n; ++i) repeated.row(i) = k.row(i % 7);
      for (const MatrixF& keys : {k, alike, repeated}) {
        for (const double slope : {0.0, 0.5}) {
          const Matrix field = dense_field(q, keys, {.scale = 0.25, .alibi_slope = slope}, Scope::causal);
          Matrix scratch = field;
          EXPECT_TRUE(reduce_halves(scratch, d == 16 ? 32 : 40));
          expect_spectrum(two_stage_singular_values(field, d + 1 + (slope == 0 ? 0 : 1)), singular_values(field));
        }
      }
    }
  }
}

}  // namespace
}  // namespace logitfield::kernels::cpu
