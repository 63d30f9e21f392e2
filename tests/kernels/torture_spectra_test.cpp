
#include "torture_inputs.hpp"

namespace logitfield::kernels {
namespace {

using testing::expect_certified;
using testing::expect_within;
using testing::hadamard;
using testing::measure;

// Fields of scope `full` built from Hadamard columns: their singular values, shares and leverages are exact in float32.

constexpr Index kRows = 64;
constexpr double kTokens = static_cast<double>(kRows);

double rounding(Index head_dim) { return (kTokens + 16 * static_cast<double>(head_dim)) * kEpsilon; }

/// exp(-sum p ln p), p = x / sum x.
double exponential_entropy(const Eigen::ArrayXd& x) { return std::exp(-(x / x.sum() * (x / x.sum()).log()).sum()); }

/// Smallest k for which the k leading values reach a share of the sum.
std::int64_t count_for(double share, const Vector& e) {
  Index k = 1;
  while (e.head(k).sum() < share * e.sum()) ++k;
  return k;
}

void expect_spectrum(const HeadStatistics& s, const Vector& sigma, Index head_dim) {
  const Vector e = sigma.cwiseAbs2();
  const double tolerance = 4 * rounding(head_dim);
  ASSERT_GE(std::ssize(s.singular_values), sigma.size());
  for (Index i = 0; i < std::ssize(s.singular_values); ++i) {
    expect_within(s.singular_values[i], i < sigma.size() ? sigma[i] : 0, tolerance * sigma[0], "a singular value");
  }
  const SpectrumStatistics& x = s.spectrum;
  expect_within(x.energy, e.sum(), tolerance * e.sum(), "energy");
  expect_within(x.stable_rank, e.sum() / e[0], tolerance * e.sum() / e[0], "stable_rank");
  // If each of n values is off by `tolerance` times the largest, the entropy is off by n times that, times ln.
  expect_within(x.effective_rank, exponential_entropy(sigma), 100 * kTokens * tolerance, "effective_rank");
  expect_within(x.energy_effective_rank, exponential_entropy(e), 100 * kTokens * tolerance, "energy_effective_rank");
  expect_within(x.participation_ratio, e.sum() * e.sum() / e.squaredNorm(), tolerance * kTokens, "participation_ratio");
  expect_within(x.gap, sigma[0] / sigma[1], tolerance * x.gap * x.gap, "gap");
  EXPECT_EQ(x.k50, count_for(0.5, e));
  EXPECT_EQ(x.k90, count_for(0.9, e));
  EXPECT_EQ(x.k99, count_for(0.99, e));
}

TEST(TortureSpectra, GradedOverFourteenOrders) {
  constexpr Index d = 16;
  for (const bool balanced : {false, true}) {
    MatrixF q = hadamard(kRows, 20, d), k = hadamard(kRows, 1, d);
    Vector sigma(d);
    for (Index j = 0; j < d; ++j) {
      const int orders = static_cast<int>(47 * j / (d - 1)), of_queries = balanced ? orders / 2 : 0;
      q.col(j) *= std::ldexp(1.0F, -of_queries);
      k.col(j) *= std::ldexp(1.0F, of_queries - orders);
      sigma[j] = kTokens * std::ldexp(1.0, -orders);
    }
    for (const testing::Way& way : testing::kFullWays) {
      const HeadStatistics s = measure(q, k, {.scale = 1}, way);
      expect_certified(s);
      expect_spectrum(s, sigma, d);
      EXPECT_EQ(s.spectrum.rank, 15);  // 2^-47 is below 64 eps = 2^-46
    }
  }
}

/// Mixed columns: the structure no longer shows in single columns but stays exact. Scales from denormal numbers to
/// 1e36.
TEST(TortureSpectra, GradedAndTurnedAtEveryScale) {
  constexpr Index d = 16;
  MatrixF q = hadamard(kRows, 20, d), k = hadamard(kRows, 1, d);
  Vector sigma(d);
  for (Index j = 0; j < d; ++j) {
    const int power = static_cast<int>(22 * j / (d - 1));
    q.col(j) *= std::ldexp(1.0F, -power);
    k.col(j) *= std::ldexp(1.0F, -power);
    sigma[j] = kTokens * std::ldexp(1.0, -2 * power);
  }
  const MatrixF turn = hadamard(d, 0, d);
  for (const int scale : {-127, -100, 0, 60, 116}) {
    const float size = std::ldexp(1.0F, scale / 2), rest = std::ldexp(1.0F, scale - scale / 2);
    const MatrixF turned_q = q * turn * size * rest, turned_k = k * turn * size * rest;
    for (const testing::Way& way : testing::kFullWays) {
      SCOPED_TRACE(::testing::Message() << "2^" << scale << " " << route_name(way.route));
      const HeadStatistics s = measure(turned_q, turned_k, {.scale = 1.0 / d}, way);
      expect_certified(s);
      expect_spectrum(s, sigma * std::ldexp(1.0, 2 * scale), d);
      EXPECT_EQ(s.spectrum.rank, 16);
    }
  }
}

TEST(TortureSpectra, HadamardKeysArePerfectlyIncoherent) {
  for (const Index d : {1, 9, 31}) {
    const double tolerance = 4 * rounding(d), rank = static_cast<double>(d);
    for (const testing::Way& way : testing::kFullWays) {
      const HeadStatistics s = measure(hadamard(kRows, 32, d), hadamard(kRows, 1, d), {.scale = 0.5}, way);
      expect_certified(s);
      expect_within(s.coherence.coherence, 1, tolerance, "coherence");
      expect_within(s.coherence.coherence_raw, 1, tolerance, "coherence_raw");
      EXPECT_EQ(s.coherence.key_rank, d);
      expect_within(s.coherence.key_effective_rank, rank, 100 * tolerance * rank, "key_effective_rank");
      EXPECT_EQ(s.spectrum.rank, d);
      expect_within(s.spectrum.effective_rank, rank, 100 * tolerance * rank, "effective_rank");
      expect_within(s.spectrum.stable_rank, rank, tolerance * rank, "stable_rank");
      expect_within(s.delocalisation_ratio, 1, tolerance, "delocalisation_ratio");
      for (const ShareStatistics& c : {s.keys, s.queries}) {
        expect_within(c.max_share, 1 / kTokens, tolerance, "max_share");
        expect_within(c.participation, 1, tolerance, "participation");
        expect_within(c.entropy, 1, tolerance, "entropy");
        expect_within(c.gini, 0, tolerance, "gini");
        expect_within(c.top1pct_share, 1 / kTokens, tolerance, "top1pct_share");
      }
    }
  }
}

/// One key 2^40 times as large as the others: leverage 1 - 1/L and coherence (L - 1) / r; L / r without centring.
TEST(TortureSpectra, OneDominantKey) {
  constexpr double others = 0x1p-38;
  for (const Index d : {1, 2, 8}) {
    MatrixF k = hadamard(kRows, 1, d);
    k.row(42) *= 0x1p40F;
    for (const testing::Way& way : testing::kFullWays) {
      const HeadStatistics s = measure(hadamard(kRows, 16, d), k, {.scale = 1}, way);
      expect_certified(s);
      EXPECT_EQ(s.keys.argmax, 42);
      EXPECT_EQ(s.coherence.key_rank, d);
      const double rank = static_cast<double>(d);
      expect_within(s.coherence.coherence, (kTokens - 1) / rank, others * kTokens, "coherence");
      expect_within(s.coherence.coherence_raw, kTokens / rank, others * kTokens, "coherence_raw");
      // The mean moves with the key: its share is (1 - 1/L)^2, against L - 1 times 1/L^2 for the others.
      expect_within(s.keys.max_share, 1 - 1 / kTokens, others, "max_share");
      expect_within(s.spectrum.stable_rank, 1, others, "stable_rank");
      EXPECT_EQ(s.spectrum.k99, 1);
      EXPECT_LE(s.delocalisation_ratio, 1 + 1e-12);
    }
  }
}

/// Equal numbers of keys v and -v: one component, even shares, and the same coherence for every key.
TEST(TortureSpectra, DuplicatedKeys) {
  const MatrixF v = testing::random_matrix<float>(1, 12, 5), sign = hadamard(kRows, 7, 1);
  const MatrixF k = sign * v, q = testing::random_matrix<float>(kRows, 12, 6);
  const double energy = 0.25 * kTokens * (q.cast<double>() * v.cast<double>().transpose()).squaredNorm();
  const double tolerance = 16 * rounding(12);
  for (const testing::Way& way : testing::kFullWays) {
    const HeadStatistics s = measure(q, k, {.scale = 0.5}, way);
    expect_certified(s);
    expect_within(s.spectrum.energy, energy, tolerance * energy, "energy");
    EXPECT_EQ(s.spectrum.rank, 1);
    EXPECT_EQ(s.spectrum.k99, 1);
    EXPECT_TRUE(std::isinf(s.spectrum.gap));
    expect_within(s.spectrum.stable_rank, 1, tolerance, "stable_rank");
    expect_within(s.keys.max_share, 1 / kTokens, tolerance, "max_share");
    expect_within(s.keys.participation, 1, tolerance, "participation");
    EXPECT_EQ(s.coherence.key_rank, 1);
    expect_within(s.coherence.key_effective_rank, 1, 1e-12, "key_effective_rank");
    expect_within(s.coherence.coherence, 1, tolerance, "coherence");
  }
}

}  // namespace
}  // namespace logitfield::kernels
