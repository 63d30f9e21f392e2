#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "head_comparison.hpp"
#include "kernels/cpu/attention.hpp"

namespace logitfield::kernels {
namespace {

using testing::expect_equal;
using testing::expect_near;
using testing::graded_matrix;
using testing::random_matrix;

HeadStatistics measure(const MatrixF& q, const MatrixF& k, double scale) {
  return testing::measure(q, k, {.scale = scale}, Scope::full, Route::factored);
}

HeadStatistics reference(const MatrixF& q, const MatrixF& k, double scale) {
  return testing::reference(q, k, {.scale = scale}, Scope::full);
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

// A float32 forward pass may have logits beyond float32's range. Then its attention statistics must fail the
// certificate, although the field, computed in float64, is valid.
TEST(FullField, AttentionThatIsNotFiniteFailsTheCertificate) {
  const Index length = 70, width = 16;
  const LogitForm form{.scale = 0.25};
  for (const float size : {1.F, 1e22F}) {
    const MatrixF q = size * random_matrix<float>(length, width, 5), k = size * random_matrix<float>(length, width, 6),
                  v = random_matrix<float>(length, width, 7);
    MatrixF out(length, width);
    RowAttention rows;
    cpu::causal_attention(q, k, v, form, out, &rows);
    const std::vector<FieldRequest> requests{{.context = length}};
    const HeadGroup exact{{q}, k, {form}}, of_pass{{q}, k, {form}, {&rows}};
    EXPECT_TRUE(kernels::field_statistics(exact, requests)[0][0].certificate.certified()) << size;
    EXPECT_EQ(kernels::field_statistics(of_pass, requests)[0][0].certificate.certified(), size == 1) << size;
  }
}

// A NaN at every place among the logits of a row, in every tile and vector lane.
TEST(FullField, ANaNLogitReachesTheRowsStatistics) {
  const Index length = 300, width = 8;
  const MatrixF q = random_matrix<float>(length, width, 5), v = random_matrix<float>(length, width, 7);
  for (const Index key : {0, 1, 7, 8, 30, 255, 256, 270}) {
    MatrixF k = random_matrix<float>(length, width, 6), out(length, width);
    k(key, 3) = std::numeric_limits<float>::quiet_NaN();
    RowAttention rows;
    cpu::causal_attention(q, k, v, {.scale = 0.3}, out, &rows);
    for (Index i = 0; i < length; ++i) {
      EXPECT_EQ(std::isnan(rows.max_logit[i]), i >= key) << key << " " << i;
      EXPECT_EQ(std::isnan(rows.entropy[i]), i >= key) << key << " " << i;
    }
  }
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

/// A thousandth of the largest values is far above rounding, so every direction counts for the rank; the effective rank
/// is near 1.
TEST(FullField, KeysAlmostOnALineHaveAnEffectiveRankNearOne) {
  const MatrixF q = random_matrix<float>(96, 8, 41);
  MatrixF k = random_matrix<float>(96, 8, 42);
  k.rightCols(7) *= 1e-3F;
  const HeadStatistics s = measure(q, k, 0.25);
  EXPECT_EQ(s.coherence.key_rank, 8);
  EXPECT_GT(s.coherence.key_effective_rank, 1);
  EXPECT_LT(s.coherence.key_effective_rank, 1.1);
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
  EXPECT_EQ(s.coherence.key_effective_rank, 0);
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
    const std::vector<FieldRequest> requests{{.context = 16}, {.context = 32}};
    const auto s = kernels::field_statistics({{good, q}, k, {{.scale = 0.5}, {.scale = 0.5}}}, requests);
    EXPECT_TRUE(s[0][1].certificate.certified());
    EXPECT_TRUE(s[1][0].certificate.certified());  // the first 16 rows are valid
    EXPECT_FALSE(s[1][1].certificate.certified());
    EXPECT_TRUE(std::isnan(s[1][1].spectrum.energy));
  }
}

TEST(FullField, AContextIsItsPrefix) {
  const MatrixF q = random_matrix<float>(100, 8, 19), k = random_matrix<float>(100, 8, 20);
  const std::vector<FieldRequest> requests{{.context = 64}, {.context = 2}, {.context = 100}, {.context = 33}};
  const auto all = kernels::field_statistics({{q}, k, {{.scale = 0.3}}}, requests)[0];
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const MatrixF prefix_q = q.topRows(requests[r].context), prefix_k = k.topRows(requests[r].context);
    expect_equal(all[r], measure(prefix_q, prefix_k, 0.3), 1e-12);
  }
}

TEST(FullField, WrongShapesAreRefused) {
  const MatrixF q = MatrixF::Zero(8, 4), k = MatrixF::Zero(8, 5);
  EXPECT_THROW(measure(q, k, 1), std::invalid_argument);
  EXPECT_THROW(measure(MatrixF::Zero(1, 4), MatrixF::Zero(1, 4), 1), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield::kernels
