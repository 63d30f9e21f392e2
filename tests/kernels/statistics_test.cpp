#include <gtest/gtest.h>

#include <Eigen/SVD>

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cpu/blas_kernels.hpp"
#include "kernels/field/learned_interaction.hpp"
#include "kernels/field/shares.hpp"
#include "kernels/field/spectrum.hpp"
#include "kernels/random.hpp"
#include "random_matrix.hpp"

namespace logitfield::kernels {
namespace {

constexpr double kTolerance = 1e-13;

TEST(SpectrumStatistics, FlatSpectrumHasAsManyOfEverythingAsComponents) {
  const std::vector<double> sigma(20, 3.0);
  const SpectrumStatistics s = spectrum_statistics(sigma, 100, 0);
  EXPECT_EQ(s.rank, 20);
  EXPECT_EQ(s.k50, 10);
  EXPECT_EQ(s.k90, 18);
  EXPECT_EQ(s.k95, 19);
  EXPECT_EQ(s.k99, 20);
  EXPECT_NEAR(s.energy, 180, 180 * kTolerance);
  for (const double value : {s.effective_rank, s.energy_effective_rank, s.stable_rank, s.participation_ratio}) {
    EXPECT_NEAR(value, 20, 20 * kTolerance);
  }
  EXPECT_EQ(s.gap, 1);
}

TEST(SpectrumStatistics, OneComponentRulesAll) {
  const SpectrumStatistics s = spectrum_statistics(std::vector<double>{2, 0, 0}, 3, 0);
  EXPECT_EQ(s.rank, 1);
  EXPECT_EQ(s.k99, 1);
  for (const double value : {s.effective_rank, s.energy_effective_rank, s.stable_rank, s.participation_ratio}) {
    EXPECT_NEAR(value, 1, kTolerance);
  }
  EXPECT_TRUE(std::isinf(s.gap));
}

TEST(SpectrumStatistics, TwoComponentsByHand) {
  const SpectrumStatistics s = spectrum_statistics(std::vector<double>{3, 1}, 2, 0);
  EXPECT_NEAR(s.energy, 10, 10 * kTolerance);
  EXPECT_NEAR(s.stable_rank, 10.0 / 9, kTolerance);
  EXPECT_NEAR(s.participation_ratio, 100.0 / 82, kTolerance);
  EXPECT_NEAR(s.effective_rank, std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), kTolerance);
  EXPECT_NEAR(s.energy_effective_rank, std::exp(-0.9 * std::log(0.9) - 0.1 * std::log(0.1)), kTolerance);
  EXPECT_EQ(s.k50, 1);
  EXPECT_EQ(s.k95, 2);
}

TEST(SpectrumStatistics, CountsThatAreMissingAreMoreThanWhatWasComputed) {
  const std::vector<double> sigma{3, 2, 1};
  const SpectrumStatistics some = leading_spectrum_statistics(sigma, 15);  // 9, 13 and 14 of 15
  EXPECT_EQ(some.k50, 1);
  EXPECT_EQ(some.k90, 3);
  EXPECT_EQ(some.k95, -1);
  EXPECT_EQ(some.k99, -1);
  EXPECT_EQ(some.k_more_than, 3);
  EXPECT_EQ(leading_spectrum_statistics(sigma, 14).k_more_than, -1);
  EXPECT_EQ(spectrum_statistics(sigma, 8, 0).k_more_than, -1);
  EXPECT_EQ(zero_spectrum().k_more_than, -1);
}

TEST(SpectrumStatistics, TheRankThresholdIsLargestDimensionTimesEpsilon) {
  const double threshold = 1000 * kEpsilon;
  EXPECT_EQ(spectrum_statistics(std::vector<double>{1, 1.01 * threshold, 0.99 * threshold}, 1000, 0).rank, 2);
}

TEST(SpectrumStatistics, WhatIsUnresolvedHasNoRank) {
  EXPECT_EQ(spectrum_statistics(std::vector<double>{1, 1.01e-12, 0.99e-12}, 8, 0, 1e-12).rank, 2);
}

TEST(SpectrumStatistics, ASpectrumOfNoiseIsAZeroField) {
  const SpectrumStatistics s = spectrum_statistics(std::vector<double>{1e-15, 1e-16}, 8, 1e-14);
  EXPECT_EQ(s.energy, 0);
  EXPECT_EQ(s.rank, 0);
  EXPECT_EQ(s.k90, 0);
  EXPECT_TRUE(std::isnan(s.gap));
}

TEST(ShareStatistics, EvenSharesAreFullyDelocalised) {
  const ShareStatistics s = share_statistics(std::vector<double>(200, 0.1));
  EXPECT_NEAR(s.participation, 1, kTolerance);
  EXPECT_NEAR(s.entropy, 1, kTolerance);
  EXPECT_NEAR(s.gini, 0, kTolerance);
  EXPECT_NEAR(s.max_share, 1.0 / 200, kTolerance);
  EXPECT_NEAR(s.top1pct_share, 2.0 / 200, kTolerance);
  EXPECT_NEAR(s.first_share, 1.0 / 200, kTolerance);
}

TEST(ShareStatistics, OnePositionOwnsAll) {
  std::vector<double> energies(50, 0.0);
  energies[7] = 4;
  const ShareStatistics s = share_statistics(energies);
  EXPECT_EQ(s.argmax, 7);
  EXPECT_NEAR(s.max_share, 1, kTolerance);
  EXPECT_NEAR(s.participation, 1.0 / 50, kTolerance);
  EXPECT_NEAR(s.entropy, 0, kTolerance);
  EXPECT_NEAR(s.gini, 49.0 / 50, kTolerance);
  EXPECT_NEAR(s.top1pct_share, 1, kTolerance);
  EXPECT_EQ(s.first_share, 0);
}

TEST(ShareStatistics, GiniIsTheMeanAbsoluteDifference) {
  const std::vector<double> energies{5, 1, 4, 0.5, 2};
  const double total = std::accumulate(energies.begin(), energies.end(), 0.0);
  double differences = 0;
  for (const double a : energies)
    for (const double b : energies) differences += std::abs(a - b);
  EXPECT_NEAR(share_statistics(energies).gini, differences / (2 * 5 * total), kTolerance);
}

TEST(ShareStatistics, NothingToShareIsUndefinedNotZero) {
  const ShareStatistics s = share_statistics(std::vector<double>(10, 0.0));
  EXPECT_TRUE(std::isnan(s.max_share));
  EXPECT_EQ(s.argmax, -1);
}

TEST(ShareProfile, BinsKeepTheTotalAndTheOrder) {
  for (const std::size_t length : {3u, 255u, 256u, 257u, 1000u}) {
    std::vector<double> energies(length);
    std::iota(energies.begin(), energies.end(), 1.0);
    const std::vector<double> profile = share_profile(energies);
    EXPECT_EQ(profile.size(), std::min<std::size_t>(length, 256));
    EXPECT_NEAR(std::accumulate(profile.begin(), profile.end(), 0.0), 1, kTolerance);
    EXPECT_LT(profile.front(), profile.back());
  }
}

TEST(BlasKernels, FollowTheInstructionSet) {
  EXPECT_EQ(cpu::better_blas_kernels("Prescott", true, true), "SkylakeX");
  EXPECT_EQ(cpu::better_blas_kernels("Haswell", true, true), "SkylakeX");
  EXPECT_EQ(cpu::better_blas_kernels("SkylakeX", true, true), "");
  EXPECT_EQ(cpu::better_blas_kernels("Prescott", true, false), "Haswell");
  EXPECT_EQ(cpu::better_blas_kernels("Zen", true, false), "");
  EXPECT_EQ(cpu::better_blas_kernels("Prescott", false, false), "");
}

TEST(LeadingSpectrum, SaysWhatItDoesNotKnow) {
  const SpectrumStatistics s = leading_spectrum_statistics(std::vector<double>{3, 2}, 14);  // of 3, 2, 1
  EXPECT_EQ(s.k50, 1);
  EXPECT_EQ(s.k90, 2);
  EXPECT_EQ(s.k95, -1);
  EXPECT_EQ(s.rank, -1);
  EXPECT_DOUBLE_EQ(s.captured, 13.0 / 14);
  EXPECT_DOUBLE_EQ(s.stable_rank, 14.0 / 9);
  EXPECT_DOUBLE_EQ(s.gap, 1.5);
  EXPECT_TRUE(std::isnan(s.effective_rank));
}

TEST(Random, RowsDoNotDependOnWhoMakesThem) {
  const Matrix all = gaussian_rows(7, 0, 2000, 3), part = gaussian_rows(7, 500, 100, 3);
  EXPECT_EQ(part, all.middleRows(500, 100));
  EXPECT_NE(gaussian_rows(8, 0, 1, 3), all.topRows(1));
  // Mean and variance of 6,000 standard normal numbers, within five standard errors.
  EXPECT_LE(std::abs(all.mean()), 5 / std::sqrt(6000.0));
  EXPECT_LE(std::abs(all.array().square().mean() - 1), 5 * std::sqrt(2 / 6000.0));
  EXPECT_LE(std::abs((all.col(0).array() * all.col(1).array()).mean()), 5 / std::sqrt(2000.0));
  const Matrix uniform = uniform_rows(7, 0, 1000, 20);
  EXPECT_EQ(uniform_rows(7, 10, 5, 20), uniform.middleRows(10, 5));
  EXPECT_LE(uniform.cwiseAbs().maxCoeff(), 1);
  EXPECT_LE(std::abs(uniform.mean()), 5 / std::sqrt(3 * 20000.0));
  EXPECT_LE(std::abs(uniform.array().square().mean() - 1.0 / 3), 5 * std::sqrt(4.0 / 45 / 20000));
}

TEST(LearnedInteraction, EqualsTheExplicitProduct) {
  const MatrixF q = testing::random_matrix<float>(8, 40, 1), k = testing::random_matrix<float>(8, 40, 2);
  const VectorF gain = testing::random_matrix<float>(40, 1, 3).cwiseAbs();
  const Matrix product = gain.cast<double>().asDiagonal() * q.cast<double>().transpose() * k.cast<double>() *
                         gain.cast<double>().asDiagonal();
  const Vector sigma = Eigen::JacobiSVD<Matrix>(product).singularValues();
  const SpectrumStatistics expected = spectrum_statistics({sigma.data(), 8}, 40, 0);
  const MatrixF doubled = 2 * q;
  const std::vector<LearnedInteraction> all = kernels::learned_interactions({{doubled}, {q}}, {k}, gain);
  ASSERT_EQ(all.size(), 2U);
  for (const LearnedInteraction& found : all) {
    EXPECT_EQ(found.k90, expected.k90);
    EXPECT_LE(std::abs(found.effective_rank / expected.effective_rank - 1), 1e-11);
    EXPECT_LE(std::abs(found.stable_rank / expected.stable_rank - 1), 1e-11);
  }
}

// Gains over orders of magnitude: without them the matrix would be another one.
TEST(LearnedInteraction, GainsBehindTheProjectionsAreFoldedIn) {
  const Index d = 12, hidden = 40;
  const MatrixF q = testing::random_matrix<float>(d, hidden, 1), k = testing::random_matrix<float>(d, hidden, 2);
  const VectorF before = testing::random_matrix<float>(hidden, 1, 3).cwiseAbs();
  const VectorF of_queries = (2 * testing::random_matrix<float>(d, 1, 4)).array().exp(),
                of_keys = (2 * testing::random_matrix<float>(d, 1, 5)).array().exp();
  const auto spectrum = [&](const Vector& gains, const Vector& gains_before) {
    const Matrix product = gains_before.asDiagonal() * q.cast<double>().transpose() * gains.asDiagonal() *
                           k.cast<double>() * gains_before.asDiagonal();
    const Vector sigma = Eigen::JacobiSVD<Matrix>(product).singularValues();
    return spectrum_statistics({sigma.data(), static_cast<std::size_t>(d)}, hidden, 0);
  };
  const Vector gains = of_queries.cast<double>().cwiseProduct(of_keys.cast<double>());
  const SpectrumStatistics expected = spectrum(gains, before.cast<double>());
  const SpectrumStatistics plain = spectrum(Vector::Ones(d), Vector::Ones(hidden));
  ASSERT_NE(expected.k90, plain.k90);
  ASSERT_NE(expected.k90, spectrum(Vector::Ones(d), before.cast<double>()).k90);
  const LearnedInteraction found = kernels::learned_interactions({{q, of_queries}}, {k, of_keys}, before).front();
  EXPECT_EQ(found.k90, expected.k90);
  EXPECT_EQ(found.plain_k90, plain.k90);
  EXPECT_LE(std::abs(found.effective_rank / expected.effective_rank - 1), 1e-11);
  EXPECT_LE(std::abs(found.stable_rank / expected.stable_rank - 1), 1e-11);
  const LearnedInteraction bare = kernels::learned_interactions({{q}}, {k}, {}).front();
  EXPECT_EQ(bare.k90, plain.k90);
  EXPECT_EQ(bare.plain_k90, plain.k90);
}

TEST(Certificate, EveryCheckCanFail) {
  Certificate good;
  good.energy_error = good.probe_residual = 1e-14;
  good.energy_bound = good.probe_bound = 1e-12;
  good.zero_sum_margin = 0.1;
  good.rank = good.rank_bound = 8;
  good.finite = true;
  ASSERT_TRUE(good.certified());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {1e-11, nan}) {
    for (double Certificate::*field :
         {&Certificate::energy_error, &Certificate::probe_residual, &Certificate::delocalisation_excess}) {
      Certificate c = good;
      c.*field = bad;
      EXPECT_FALSE(c.certified());
    }
  }
  Certificate c = good;
  c.zero_sum_margin = 1.5;
  EXPECT_FALSE(c.certified());
  c = good;
  c.rank = 9;
  EXPECT_FALSE(c.certified());
  c = good;
  c.finite = false;
  EXPECT_FALSE(c.certified());
  c = good;
  c.energy_error = 1e-5;
  c.energy_bound = 1;  // a bound that allows anything does not certify
  EXPECT_FALSE(c.certified());
}

}  // namespace
}  // namespace logitfield::kernels
