#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/full_field.hpp"
#include "kernels/oracle.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels {
namespace {

using testing::graded_matrix;
using testing::random_matrix;

HeadStatistics measure(const MatrixF& q, const MatrixF& k, double scale) {
  const std::vector<MatrixFRef> queries{q};
  const std::vector<std::int64_t> contexts{q.rows()};
  return cpu::full_field_statistics(queries, k, scale, contexts)[0][0];
}

HeadStatistics reference(const MatrixF& q, const MatrixF& k, double scale) {
  return oracle::full_field(q.cast<double>(), k.cast<double>(), scale);
}

void expect_near(double value, double expected, double tolerance, const char* name) {
  // Not EXPECT_NEAR on the ratio: NaN must fail.
  EXPECT_TRUE(std::abs(value - expected) <= tolerance * std::max(std::abs(expected), 1e-300))
      << name << ": " << value << ", expected " << expected;
}

void expect_shares(const ShareStatistics& s, const ShareStatistics& expected, double tolerance) {
  EXPECT_EQ(s.argmax, expected.argmax);
  expect_near(s.max_share, expected.max_share, tolerance, "max_share");
  expect_near(s.participation, expected.participation, tolerance, "participation");
  expect_near(s.entropy, expected.entropy, tolerance, "entropy");
  expect_near(s.gini, expected.gini, tolerance, "gini");
  expect_near(s.top1pct_share, expected.top1pct_share, tolerance, "top1pct_share");
  expect_near(s.first_share, expected.first_share, tolerance, "first_share");
}

void expect_equal(const HeadStatistics& s, const HeadStatistics& expected, double tolerance) {
  EXPECT_EQ(s.spectrum.rank, expected.spectrum.rank);
  EXPECT_EQ(s.spectrum.k50, expected.spectrum.k50);
  EXPECT_EQ(s.spectrum.k90, expected.spectrum.k90);
  EXPECT_EQ(s.spectrum.k95, expected.spectrum.k95);
  EXPECT_EQ(s.spectrum.k99, expected.spectrum.k99);
  expect_near(s.spectrum.energy, expected.spectrum.energy, tolerance, "energy");
  expect_near(s.spectrum.sigma_max, expected.spectrum.sigma_max, tolerance, "sigma_max");
  expect_near(s.spectrum.effective_rank, expected.spectrum.effective_rank, tolerance, "effective_rank");
  expect_near(s.spectrum.energy_effective_rank, expected.spectrum.energy_effective_rank, tolerance,
              "energy_effective_rank");
  expect_near(s.spectrum.stable_rank, expected.spectrum.stable_rank, tolerance, "stable_rank");
  expect_near(s.spectrum.participation_ratio, expected.spectrum.participation_ratio, tolerance, "participation_ratio");
  for (std::size_t i = 0; i < s.singular_values.size(); ++i) {
    EXPECT_TRUE(std::abs(s.singular_values[i] - expected.singular_values[i]) <=
                tolerance * expected.spectrum.sigma_max);
  }
  expect_shares(s.keys, expected.keys, tolerance);
  expect_shares(s.queries, expected.queries, tolerance);
  EXPECT_EQ(s.coherence.key_rank, expected.coherence.key_rank);
  expect_near(s.coherence.coherence, expected.coherence.coherence, tolerance, "coherence");
  expect_near(s.coherence.coherence_raw, expected.coherence.coherence_raw, tolerance, "coherence_raw");
  expect_near(s.delocalisation_ratio, expected.delocalisation_ratio, tolerance, "delocalisation_ratio");
  expect_near(s.attention.max_logit, expected.attention.max_logit, tolerance, "max_logit");
  expect_near(s.attention.entropy, expected.attention.entropy, tolerance, "attention entropy");
  expect_near(s.attention.sink_first, expected.attention.sink_first, tolerance, "sink_first");
}

TEST(FullField, EqualsTheExplicitFieldAndItsDenseSvd) {
  for (const auto& [length, width] :
       {std::pair<Index, Index>{3, 1}, {40, 1}, {17, 16}, {65, 8}, {130, 32}, {200, 64}}) {
    SCOPED_TRACE(::testing::Message() << "L = " << length << ", d = " << width);
    const MatrixF q = random_matrix<float>(length, width, 1), k = random_matrix<float>(length, width, 2);
    const double scale = 1 / std::sqrt(static_cast<double>(width));
    const HeadStatistics s = measure(q, k, scale);
    expect_equal(s, reference(q, k, scale), 1e-10);
    if (width > 1) expect_near(s.spectrum.gap, reference(q, k, scale).spectrum.gap, 1e-10, "gap");
    EXPECT_TRUE(s.certificate.certified());
  }
}

TEST(FullField, ShorterThanTheHeadDimension) {
  const MatrixF q = random_matrix<float>(12, 32, 3), k = random_matrix<float>(12, 32, 4);
  const HeadStatistics s = measure(q, k, 0.2);
  EXPECT_EQ(s.rank_bound, 11);
  EXPECT_EQ(s.spectrum.rank, 11);
  EXPECT_EQ(s.coherence.key_rank, 11);
  expect_equal(s, reference(q, k, 0.2), 1e-10);
  EXPECT_TRUE(s.certificate.certified());
}

TEST(FullField, HeadsWithLargeMeansAndHugeLogits) {
  MatrixF q = 40 * random_matrix<float>(90, 16, 5), k = 15 * random_matrix<float>(90, 16, 6);
  k.rowwise() += 30 * random_matrix<float>(1, 16, 7).row(0);
  const HeadStatistics s = measure(q, k, 0.25);
  EXPECT_GT(s.attention.max_logit, 2500);
  expect_equal(s, reference(q, k, 0.25), 1e-9);
  EXPECT_TRUE(s.certificate.certified());
}

TEST(FullField, RankDeficientKeys) {
  const MatrixF q = random_matrix<float>(80, 16, 8);
  MatrixF k = MatrixF::Zero(80, 16);
  k.leftCols(5) = random_matrix<float>(80, 5, 9);
  const HeadStatistics s = measure(q, k, 0.25);
  EXPECT_EQ(s.spectrum.rank, 5);
  EXPECT_EQ(s.coherence.key_rank, 5);
  expect_equal(s, reference(q, k, 0.25), 1e-10);
  EXPECT_TRUE(s.certificate.certified());
}

TEST(FullField, BadlyScaledFactorsKeepTheirLeadingNumbers) {
  const MatrixF q = graded_matrix(150, 12, 12, 10).cast<float>(), k = graded_matrix(150, 12, 12, 12).cast<float>();
  const HeadStatistics s = measure(q, k, 1);
  const HeadStatistics expected = reference(q, k, 1);
  EXPECT_EQ(s.spectrum.k99, expected.spectrum.k99);
  expect_near(s.spectrum.energy, expected.spectrum.energy, 1e-10, "energy");
  expect_near(s.spectrum.stable_rank, expected.spectrum.stable_rank, 1e-10, "stable_rank");
  expect_near(s.keys.max_share, expected.keys.max_share, 1e-10, "max_share");
  EXPECT_TRUE(s.certificate.certified());
}

TEST(FullField, ConstantKeysGiveAZeroField) {
  const MatrixF q = random_matrix<float>(64, 8, 13), k = random_matrix<float>(1, 8, 14).replicate(64, 1);
  const HeadStatistics s = measure(q, k, 1);
  EXPECT_EQ(s.spectrum.energy, 0);
  EXPECT_EQ(s.spectrum.rank, 0);
  EXPECT_EQ(s.coherence.key_rank, 0);
  EXPECT_TRUE(std::isnan(s.keys.max_share));
  EXPECT_TRUE(s.certificate.certified());
}

TEST(FullField, ZeroQueriesAndZeroKeysGiveAZeroField) {
  const MatrixF some = random_matrix<float>(32, 4, 21), zero = MatrixF::Zero(32, 4);
  for (const HeadStatistics& s : {measure(zero, some, 1), measure(some, zero, 1), measure(zero, zero, 1)}) {
    EXPECT_EQ(s.spectrum.energy, 0);
    EXPECT_EQ(s.spectrum.rank, 0);
    EXPECT_TRUE(s.certificate.certified());
  }
}

TEST(FullField, OneDominantKeyHasTheLargestCoherence) {
  MatrixF k = 1e-3F * random_matrix<float>(100, 1, 15);
  k(42, 0) = 1e4F;
  const HeadStatistics s = measure(random_matrix<float>(100, 1, 16), k, 1);
  EXPECT_EQ(s.keys.argmax, 42);
  EXPECT_NEAR(s.coherence.coherence, 99, 0.01);  // L/r of the raw keys is 100; centring leaves 1 - 1/L of it
  EXPECT_LE(s.delocalisation_ratio, 1 + 1e-12);
}

TEST(FullField, NonFiniteInputFailsItsOwnHeadOnly) {
  const MatrixF good = random_matrix<float>(32, 4, 17), k = random_matrix<float>(32, 4, 18);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    MatrixF q = good;
    q(20, 1) = bad;
    const std::vector<MatrixFRef> queries{good, q};
    const std::vector<std::int64_t> contexts{16, 32};
    const auto s = cpu::full_field_statistics(queries, k, 0.5, contexts);
    EXPECT_TRUE(s[0][1].certificate.certified());
    EXPECT_TRUE(s[1][0].certificate.certified());  // the first 16 rows are sound
    EXPECT_FALSE(s[1][1].certificate.certified());
    EXPECT_TRUE(std::isnan(s[1][1].spectrum.energy));
  }
}

TEST(FullField, AContextIsItsPrefix) {
  const MatrixF q = random_matrix<float>(100, 8, 19), k = random_matrix<float>(100, 8, 20);
  const std::vector<MatrixFRef> queries{q};
  const std::vector<std::int64_t> contexts{2, 33, 64, 100};
  const auto all = cpu::full_field_statistics(queries, k, 0.3, contexts)[0];
  for (std::size_t c = 0; c < contexts.size(); ++c) {
    const MatrixF prefix_q = q.topRows(contexts[c]), prefix_k = k.topRows(contexts[c]);
    expect_equal(all[c], measure(prefix_q, prefix_k, 0.3), 1e-12);
  }
}

TEST(FullField, WrongShapesAreRefused) {
  const MatrixF q = MatrixF::Zero(8, 4), k = MatrixF::Zero(8, 5);
  EXPECT_THROW(measure(q, k, 1), std::invalid_argument);
  EXPECT_THROW(measure(MatrixF::Zero(1, 4), MatrixF::Zero(1, 4), 1), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield::kernels
