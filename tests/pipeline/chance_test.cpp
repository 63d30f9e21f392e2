// Tests against chance are wrong as rarely as stated, at any number of draws.
#include "pipeline/results/chance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "kernels/random.hpp"
#include "pipeline/results/null_draws.hpp"
#include "tests/pipeline/known_readings.hpp"

namespace logitfield {
namespace {

using testing::known_readings;

/// Share of experiments in which any head is found beyond chance although all come from the null; the false discovery
/// rate bounds it. All heads of an experiment share the draws.
double found_wrongly(const std::function<double(double, double)>& value, std::size_t draws, double resolution) {
  constexpr int kExperiments = 400, kHeads = 200;
  int wrong = 0;
  for (int e = 0; e < kExperiments; ++e) {
    const auto seed = kernels::stream_seed(20261126, static_cast<std::uint64_t>(e) * 1000 + draws);
    const kernels::Matrix u = kernels::uniform_rows(seed, 0, kHeads + static_cast<kernels::Index>(draws), 2);
    std::vector<Reading> all;
    for (kernels::Index i = 0; i < u.rows(); ++i) {
      all.push_back(Reading::known(value((1 + u(i, 0)) / 2, (1 + u(i, 1)) / 2)));
    }
    const std::vector<Reading> null(all.begin() + kHeads, all.end());
    std::vector<double> p_values;
    for (int h = 0; h < kHeads; ++h)
      p_values.push_back(chance_p_value(all[static_cast<std::size_t>(h)], null, resolution));
    wrong += beyond_chance(p_values).beyond > 0;
  }
  return wrong / static_cast<double>(kExperiments);
}

double normal(double u, double v) { return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v); }

/// Light tails, exponential tails on either side, extreme values, counts. The tolerance is three standard errors of 400
/// experiments beyond the nominal rate.
TEST(Chance, HeadsOfTheNullAreAsRarelyBeyondItAsStated) {
  const std::vector<std::tuple<const char*, std::function<double(double, double)>, double>> distributions{
      {"normal", normal, 0},
      {"exponential", [](double u, double) { return -std::log(u); }, 0},
      {"exponential, mirrored", [](double u, double) { return std::log(u); }, 0},
      {"extreme value", [](double u, double) { return -std::log(-std::log(u)); }, 0},
      {"counts", [](double u, double v) { return std::round(14 + 0.6 * normal(u, v)); }, 1},
      {"rare counts", [](double u, double v) { return std::round(14 + 0.25 * normal(u, v)); }, 1},
      {"all alike to rounding", [](double u, double) { return 1 + 1e-14 * u; }, 1e-7}};
  const double allowed = kFalseDiscoveryRate + 3 * std::sqrt(kFalseDiscoveryRate * (1 - kFalseDiscoveryRate) / 400);
  for (const auto& [name, value, resolution] : distributions) {
    for (const std::size_t draws : {1, 2, 4, 8, 16, 64}) {
      EXPECT_LE(found_wrongly(value, draws, resolution), allowed) << name << ", " << draws << " draws";
    }
  }
}

TEST(Chance, HeadsFarFromTheNullAreFoundWithFewDraws) {
  for (const std::size_t draws : {4, 8, 16, 64}) {
    const kernels::Matrix z = kernels::gaussian_rows(draws, 0, static_cast<kernels::Index>(draws) + 100, 1);
    std::vector<Reading> null;
    for (std::size_t i = 0; i < draws; ++i)
      null.push_back(Reading::known(28 + 0.5 * z(static_cast<kernels::Index>(i), 0)));
    std::vector<double> p_values;
    for (std::size_t h = 0; h < 100; ++h) {
      const double place = h < 60 ? 11 : 28;  // 34 standard deviations away, or like the null
      const double value = place + 0.5 * z(static_cast<kernels::Index>(draws + h), 0);
      p_values.push_back(chance_p_value(Reading::known(value), null, 1e-7));
    }
    const BeyondChance found = beyond_chance(p_values);
    EXPECT_EQ(found.heads, 100);
    EXPECT_GE(found.beyond, 60) << draws;
    EXPECT_LE(found.beyond, 70) << draws;
  }
}

TEST(Chance, OneDrawSaysNothing) {
  EXPECT_EQ(chance_p_value(Reading::known(1e9), known_readings({1}), 0), 1);
  EXPECT_EQ(chance_p_value(Reading::known(1e9), {}, 0), 1);
  EXPECT_LT(chance_p_value(Reading::known(1e9), known_readings({1, 2}), 0), 1e-6);
}

TEST(Chance, AmongTheDrawsRanksDecide) {
  const std::vector<Reading> draws = known_readings({1, 2, 3, 4, 5, 6, 7});
  EXPECT_DOUBLE_EQ(chance_p_value(Reading::known(6.5), draws, 0), 2 * 2.0 / 8);
  EXPECT_DOUBLE_EQ(chance_p_value(Reading::known(1.5), draws, 0), 2 * 2.0 / 8);
  EXPECT_DOUBLE_EQ(chance_p_value(Reading::known(4), draws, 0), 1);
  EXPECT_DOUBLE_EQ(chance_p_value(Reading::known(7.0001), draws, 1e-3), 2 * 2.0 / 8) << "a tie with 7";
}

TEST(Chance, CensoredValuesCountAsWhatSpeaksLeastAgainstChance) {
  const std::vector<Reading> draws = known_readings({20, 21, 22, 23, 24, 25, 26, 27});
  const double bound = chance_p_value(Reading::known(256), draws, 1);
  EXPECT_EQ(chance_p_value(Reading::more_than(256), draws, 1), bound);
  EXPECT_LT(bound, 1e-3);
  EXPECT_EQ(chance_p_value(Reading::more_than(20), draws, 1), 1);
  const std::vector<Reading> censored(8, Reading::more_than(256));
  EXPECT_DOUBLE_EQ(chance_p_value(Reading::known(60), censored, 1), 2.0 / 9) << "how far draws scatter is not known";
  EXPECT_EQ(chance_p_value(Reading::more_than(256), censored, 1), 1);
  EXPECT_EQ(chance_p_value(Reading{}, draws, 1), 1);
}

TEST(Chance, WhatMayBeTested) {
  for (const char* name :
       {"key_argmax", "query_argmax", "rank_bound", "zero_sum_residual", "energy_bound", "certified"}) {
    EXPECT_FALSE(is_testable(name, Null::gaussian)) << name;
    EXPECT_FALSE(is_testable(name, Null::own)) << name;
  }
  for (const char* name : {"energy", "sigma_max", "max_logit", "attention_entropy", "sink_first"}) {
    EXPECT_FALSE(is_testable(name, Null::gaussian)) << name;
    EXPECT_TRUE(is_testable(name, Null::own)) << name;
  }
  for (const char* name : {"k90", "effective_rank", "key_participation", "coherence"}) {
    EXPECT_TRUE(is_testable(name, Null::gaussian)) << name;
    EXPECT_TRUE(is_testable(name, Null::own)) << name;
  }
  EXPECT_TRUE(is_testable("learned_k90", Null::gaussian));
  EXPECT_FALSE(is_testable("learned_k90", Null::own));
}

/// Benjamini & Hochberg's own example (1995, section 3.2) at a rate of 5 %: four of fifteen are discoveries.
TEST(BeyondChance, IsBenjaminiAndHochberg) {
  const std::vector<double> p{0.3240, 0.0001, 0.4262, 0.0004, 0.5719, 0.0019, 0.6528, 0.0095,
                              0.7590, 0.0201, 1.0000, 0.0278, 0.0298, 0.0344, 0.0459};
  EXPECT_EQ(beyond_chance(p).beyond, 4);
  EXPECT_EQ(beyond_chance(p).heads, 15);
  EXPECT_TRUE(std::isnan(beyond_chance({}).share()));
}

kernels::HeadStatistics draw(double energy, bool certified) {
  kernels::HeadStatistics s;
  s.spectrum.energy = energy;
  s.certificate.energy_bound = s.certificate.probe_bound = 1e-12;
  s.certificate.finite = certified;
  return s;
}

TEST(NullDraws, ThatFailedDoNotEnterAndAreCounted) {
  NullDraws null;
  for (const double energy : {1.0, 2.0, 6.0}) null.add(draw(energy, true));
  null.add(draw(1000, false));
  EXPECT_EQ(null.draws, 3);
  EXPECT_EQ(null.failed, 1);
  EXPECT_EQ(null.statistics.at("energy").mean(), Reading::known(3));
  EXPECT_DOUBLE_EQ(null.statistics.at("energy").sd(), std::sqrt(14.0 / 2)) << "of the sample: n - 1";
  EXPECT_FALSE(null.statistics.contains("energy_bound"));
}

TEST(NullDraws, ThatAreCensoredHaveNoMean) {
  NullStatistic s{known_readings({10, 20}), kernels::kUndefined, kernels::kUndefined};
  s.draws.push_back(Reading::more_than(30));
  EXPECT_EQ(s.mean(), Reading::more_than(20));
  EXPECT_TRUE(std::isnan(s.sd()));
  EXPECT_TRUE(std::isnan(NullStatistic{known_readings({5})}.sd())) << "of one draw";
}

}  // namespace
}  // namespace logitfield
