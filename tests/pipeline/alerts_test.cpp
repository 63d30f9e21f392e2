#include "pipeline/monitor/alerts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "tests/pipeline/alert_series.hpp"

namespace logitfield {
namespace {

using testing::all_alerts;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A healthy series: heads of different levels and speeds that change fast at first and logarithmically later, with
/// independent noise at every checkpoint.
HeadSeries healthy(std::int64_t layers, std::int64_t heads, std::int64_t steps, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  HeadSeries series{0, layers, heads, heads, {}, {{"coherence", {2, 0.1}}, {"key_participation", {0.9, 0.02}}}};
  std::vector<std::array<double, kFollowed.size()>> speeds(series.size()), levels(series.size()), noises(series.size());
  for (std::size_t h = 0; h < series.size(); ++h) {
    for (std::size_t s = 0; s < kFollowed.size(); ++s) {
      speeds[h][s] = -0.08 * (1 + 0.3 * normal(random));
      levels[h][s] = 0.2 * normal(random);
      noises[h][s] = 0.02 * std::exp(0.5 * normal(random));
    }
  }
  for (std::int64_t i = 0; i < steps; ++i) {
    StepValues step{100 * i, 5, {}, {}, {}};
    for (std::size_t h = 0; h < series.size(); ++h) {
      step.heads.emplace_back();
      for (std::size_t s = 0; s < kFollowed.size(); ++s) {
        const double log = levels[h][s] + speeds[h][s] * std::log(1 + i) + noises[h][s] * normal(random);
        step.heads.back()[s] = std::array{2.5, 0.8, 9.0, 20.0, 4.0, 10.0, 3.0, 0.1, 32.0}[s] * std::exp(log);
      }
    }
    series.steps.push_back(std::move(step));
  }
  return series;
}

/// Multiplies a head's statistic from one checkpoint on.
template <class Factor>
void disturb(HeadSeries& series, std::size_t head, const char* statistic, std::size_t from, Factor factor) {
  for (std::size_t i = from; i < series.steps.size(); ++i) {
    if (series.steps[i].measured()) series.steps[i].heads[head][followed(statistic)] *= factor(double(i - from));
  }
}

std::string text_of(const std::vector<Alert>& alerts) {
  std::string out;
  for (const Alert& a : alerts) {
    out += std::to_string(a.step) + " " + std::to_string(a.layer) + "/" + std::to_string(a.head) + " " +
           std::string(alert_name(a.kind)) + " " + a.statistic + "\n";
  }
  return out;
}

/// Expects exactly one alert: of this kind, head and statistic, at checkpoint `first` or the next.
void expect_one(const std::vector<Alert>& alerts, AlertKind kind, std::int64_t layer, std::int64_t head,
                const char* statistic, std::int64_t first) {
  ASSERT_EQ(alerts.size(), 1u) << text_of(alerts);
  const Alert& a = alerts.front();
  EXPECT_EQ(a.kind, kind) << text_of(alerts);
  EXPECT_EQ(a.layer, layer);
  EXPECT_EQ(a.head, head);
  EXPECT_EQ(a.statistic, statistic);
  EXPECT_GE(a.step, 100 * first);
  EXPECT_LE(a.step, 100 * (first + 1));
}

TEST(Alerts, HealthySeriesRaiseNone) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto alerts = all_alerts(healthy(4, 8, 100, seed));
    EXPECT_TRUE(alerts.empty()) << "seed " << seed << "\n" << text_of(alerts);
  }
}

TEST(Alerts, AJumpIsFoundAtTheNextCheckpoint) {
  for (const char* statistic : {"coherence", "key_participation"}) {
    for (const double factor : {0.4, 2.0}) {
      HeadSeries series = healthy(2, 4, 60, 1);
      disturb(series, 6, statistic, 40, [&](double) { return factor; });
      const auto alerts = all_alerts(series);
      std::set<std::int64_t> heads;
      ASSERT_FALSE(alerts.empty()) << statistic << " " << factor;
      EXPECT_LE(alerts.front().step, 4100);
      EXPECT_EQ(alerts.front().kind, AlertKind::jump);
      for (const Alert& a : alerts) {
        EXPECT_EQ(a.layer * 4 + a.head, 6) << text_of(alerts);
        EXPECT_EQ(a.statistic, statistic);
        EXPECT_TRUE(a.value < a.low || a.value > a.high);
      }
    }
  }
}

TEST(Alerts, OneStrayCheckpointIsNoAlertUnlessItIsAskedFor) {
  HeadSeries series = healthy(2, 4, 60, 2);
  series.steps[40].heads[3][followed("coherence")] *= 3;
  EXPECT_TRUE(all_alerts(series).empty());
  const auto alerts = all_alerts(series, {.confirm = 1});
  ASSERT_FALSE(alerts.empty());
  EXPECT_EQ(alerts.front().kind, AlertKind::jump);
  for (const Alert& a : alerts) EXPECT_TRUE(a.step == 4000 && a.layer == 0 && a.head == 3) << text_of(alerts);
}

TEST(Alerts, ASlowDriftIsFoundWhenItCrossesTheBandOfTheOtherHeads) {
  // 1 % a checkpoint: no step leaves the band of the head's own history. The others' spread is below kLeastNoise, so
  // the band is 5 times 5 % wide and is crossed 26 checkpoints after the drift began.
  HeadSeries series = healthy(4, 4, 100, 3);
  for (StepValues& step : series.steps) {
    for (auto& head : step.heads) head[followed("coherence")] = 2.5;
  }
  disturb(series, 9, "coherence", 20, [](double i) { return std::exp(0.01 * i); });
  expect_one(all_alerts(series), AlertKind::drift, 2, 1, "coherence", 46);
}

TEST(Alerts, ATrendThatAllHeadsShareIsToldOfNoHead) {
  HeadSeries series = healthy(4, 4, 100, 4);
  series.chance.clear();  // the heads leave its band in the end
  for (std::size_t h = 0; h < series.size(); ++h) {
    disturb(series, h, "coherence", 10, [](double i) { return std::exp(0.02 * i); });
  }
  // Four times the earlier value is reached after 69 checkpoints of 2 %; learning works against it.
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 1u) << text_of(alerts);
  EXPECT_EQ(alerts[0].kind, AlertKind::model_drift);
  EXPECT_EQ(alerts[0].statistic, "coherence");
  EXPECT_GT(alerts[0].step, 7900);
}

TEST(Alerts, EntropyAndRankCollapse) {
  HeadSeries series = healthy(2, 4, 60, 5);
  disturb(series, 2, "attention_entropy", 30, [](double) { return 0.2; });
  expect_one(all_alerts(series), AlertKind::entropy_collapse, 0, 2, "attention_entropy", 30);
  series = healthy(2, 4, 60, 5);
  disturb(series, 5, "effective_rank", 30, [](double) { return 0.15; });
  expect_one(all_alerts(series), AlertKind::rank_collapse, 1, 1, "effective_rank", 30);
  // More than a quarter is left; an increase is no collapse.
  series = healthy(2, 4, 60, 5);
  disturb(series, 5, "effective_rank", 30, [](double) { return 0.5; });
  disturb(series, 2, "attention_entropy", 30, [](double) { return 3.0; });
  EXPECT_TRUE(all_alerts(series).empty()) << text_of(all_alerts(series));
}

TEST(Alerts, ACollapseOfAllHeadsAtOnceIsFoundToo) {
  HeadSeries series = healthy(2, 4, 60, 6);
  for (std::size_t h = 0; h < 8; ++h) disturb(series, h, "attention_entropy", 30, [](double) { return 0.1; });
  const auto alerts = all_alerts(series);
  EXPECT_EQ(std::ranges::count(alerts, AlertKind::entropy_collapse, &Alert::kind), 8) << text_of(alerts);
  EXPECT_EQ(std::ranges::count(alerts, AlertKind::model_drift, &Alert::kind), 1) << text_of(alerts);
  EXPECT_EQ(alerts.size(), 9u) << text_of(alerts);
}

TEST(Alerts, LogitsOverTheLimitOnceUntilTheyAreBelowAgain) {
  HeadSeries series = healthy(2, 4, 20, 7);
  const std::size_t max_logit = followed("max_logit");
  for (const std::size_t i : {3, 4, 5, 9}) series.steps[i].heads[1][max_logit] = 101;
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 2u) << text_of(alerts);
  EXPECT_EQ(alerts[0].step, 300);
  EXPECT_EQ(alerts[1].step, 900);
  EXPECT_EQ(alerts[0].kind, AlertKind::max_logit);
  EXPECT_EQ(alerts[0].high, 100);
  EXPECT_TRUE(all_alerts(series, {.max_logit = 102}).empty());
}

TEST(Alerts, AFailedHeadIsToldAndItsGapDoesNotDisturbTheOthers) {
  HeadSeries series = healthy(2, 4, 60, 8);
  for (std::size_t i = 30; i < 60; ++i) {
    series.steps[i].heads[4].fill(kNaN);
    series.steps[i].failed.push_back({4, false, "energy", kNaN, 0});
  }
  series.steps[50].heads[0].fill(kNaN);
  series.steps[50].failed.push_back({0, true, "energy_error", 1e-3, 1e-9});
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 2u) << text_of(alerts);
  EXPECT_EQ(alerts[0].kind, AlertKind::not_finite);
  EXPECT_EQ(alerts[0].step, 3000);
  EXPECT_EQ(alerts[0].layer, 1);
  EXPECT_EQ(alerts[0].head, 0);
  EXPECT_EQ(alerts[1].kind, AlertKind::certificate);
  EXPECT_EQ(alerts[1].statistic, "energy_error");
  EXPECT_EQ(alerts[1].value, 1e-3);
}

TEST(Alerts, WeightsThatAreNotFiniteAndTheSeriesGoesOn) {
  HeadSeries series = healthy(2, 4, 60, 9);
  for (const std::size_t i : {30, 31}) {
    series.steps[i].heads.clear();
    series.steps[i].not_finite = {{"a.q_proj", "nan", "[3, 4]", 1, {2, 3}}, {"norm", "inf", "[0]", -1, {}}};
  }
  disturb(series, 5, "coherence", 40, [](double) { return 2.0; });
  const auto alerts = all_alerts(series);
  ASSERT_GE(alerts.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(alerts[i].step, 3000) << text_of(alerts);
    EXPECT_EQ(alerts[i].kind, AlertKind::not_finite);
  }
  EXPECT_EQ(alerts[0].head, 2);
  EXPECT_EQ(alerts[1].head, 3);
  EXPECT_EQ(alerts[2].layer, -1);
  EXPECT_EQ(alerts[2].head, -1);
  EXPECT_EQ(alerts[3].step, 4100);
  EXPECT_EQ(alerts[3].kind, AlertKind::jump);
}

TEST(Alerts, WeightsThatAreNotFiniteAgainAreToldAgain) {
  HeadSeries series = healthy(2, 4, 60, 13);
  for (const std::size_t i : {20, 21, 50}) {
    series.steps[i].heads.clear();
    series.steps[i].not_finite = {{"model.layers.0.mlp.up_proj.weight", "nan", "[0, 0]", 0, {}}};
  }
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 2u) << text_of(alerts);
  EXPECT_EQ(alerts[0].step, 2000);
  EXPECT_EQ(alerts[1].step, 5000);
}

TEST(Alerts, AHeadThatFailsAgainIsToldAgainAndOnceWhereNothingWasMeasuredBetween) {
  HeadSeries series = healthy(2, 4, 60, 14);
  for (const std::size_t i : {20, 22, 40}) {
    series.steps[i].heads[3].fill(kNaN);
    series.steps[i].failed.push_back({3, false, "energy", kNaN, 0});
  }
  series.steps[21].heads.clear();
  series.steps[21].not_finite = {{"norm", "inf", "[0]", -1, {}}};
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 3u) << text_of(alerts);
  EXPECT_EQ(alerts[0].step, 2000);
  EXPECT_EQ(alerts[1].statistic, "norm");
  EXPECT_EQ(alerts[2].step, 4000);
}

TEST(Alerts, LargeLogitsAreToldOnceAcrossACheckpointThatWasNotMeasured) {
  HeadSeries series = healthy(2, 4, 20, 15);
  for (const std::size_t i : {5, 6, 7}) series.steps[i].heads[1][followed("max_logit")] = 200;
  series.steps[6].heads[1].fill(kNaN);
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 1u) << text_of(alerts);
  EXPECT_EQ(alerts[0].step, 500);
}

TEST(Alerts, AHeadThatDiesIsToldAtOnceAndAgainWhereItHadComeBack) {
  HeadSeries series = healthy(2, 4, 40, 16);
  const std::size_t rank = followed("effective_rank");
  for (const std::size_t i : {3, 4, 5, 20, 22}) {  // nothing is known of 21
    series.steps[i].heads[6][rank] = 0;
    series.steps[i].heads[6][followed("key_participation")] = kNaN;
  }
  series.steps[21].heads[6].fill(kNaN);
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 2u) << text_of(alerts);
  EXPECT_EQ(alerts[0].kind, AlertKind::dead);
  EXPECT_EQ(alerts[0].step, 300);
  EXPECT_EQ(alerts[0].layer * 4 + alerts[0].head, 6);
  EXPECT_EQ(alerts[0].value, 0);
  EXPECT_EQ(alerts[1].step, 2000);
}

TEST(Alerts, HeadsThatBeginWithoutAFieldHaveNotDied) {
  HeadSeries series = healthy(2, 4, 40, 17);
  for (std::size_t i = 0; i < 5; ++i) {
    for (auto& head : series.steps[i].heads) head[followed("effective_rank")] = 0;
  }
  EXPECT_TRUE(all_alerts(series).empty()) << text_of(all_alerts(series));
}

TEST(Alerts, AllHeadsGoingTheSameWayIsToldOfTheModel) {
  HeadSeries series = healthy(2, 4, 40, 18);
  for (std::size_t h = 0; h < series.size(); ++h) {
    disturb(series, h, "attention_entropy", 0, [](double i) { return std::exp(-0.08 * i); });
  }
  const auto alerts = all_alerts(series);
  ASSERT_EQ(alerts.size(), 1u) << text_of(alerts);
  EXPECT_EQ(alerts[0].kind, AlertKind::model_drift);
  EXPECT_EQ(alerts[0].statistic, "attention_entropy");
  EXPECT_EQ(alerts[0].layer, -1);
  EXPECT_EQ(alerts[0].head, -1);
  EXPECT_LT(alerts[0].value, alerts[0].low);
  EXPECT_TRUE(std::isnan(alerts[0].high));
}

/// A factor of nine, most of it early: logits that grow as a model learns and then level off.
TEST(Alerts, WhatAllHeadsLearnFastAndThenSlowlyIsNone) {
  HeadSeries series = healthy(2, 4, 100, 19);
  for (std::size_t h = 0; h < series.size(); ++h) {
    disturb(series, h, "max_logit", 0, [](double i) { return 1 + 8 * (1 - std::exp(-i / 6)); });
  }
  EXPECT_TRUE(all_alerts(series).empty()) << text_of(all_alerts(series));
}

TEST(Alerts, NothingLaterChangesAnAlert) {
  HeadSeries series = healthy(2, 4, 60, 20);
  disturb(series, 6, "coherence", 40, [](double i) { return 2 + i; });
  const std::string all = text_of(all_alerts(series));
  std::string one_by_one;
  for (std::size_t i = 0; i < series.steps.size(); ++i) {
    HeadSeries known = series;
    known.steps.resize(i + 1);
    one_by_one += text_of(alerts_at(known, i, {}));
  }
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(all, one_by_one);
}

TEST(Alerts, FarFromChanceIsToldOfThoseThatWereNear) {
  HeadSeries series = healthy(2, 4, 6, 10);  // the history is too short for anything else
  disturb(series, 1, "key_participation", 3, [](double) { return 0.1; });
  disturb(series, 2, "key_participation", 0, [](double) { return 0.1; });
  expect_one(all_alerts(series), AlertKind::chance, 0, 1, "key_participation", 3);
}

TEST(Alerts, AStatisticOfAKvHeadIsToldOnce) {
  HeadSeries series = healthy(2, 4, 60, 11);
  series.num_kv_heads = 2;
  for (StepValues& step : series.steps) {
    for (std::size_t h = 0; h < 8; h += 2) step.heads[h + 1] = step.heads[h];
  }
  for (const std::size_t h : {2, 3}) disturb(series, h, "coherence", 40, [](double) { return 4.0; });
  const auto alerts = all_alerts(series);
  ASSERT_FALSE(alerts.empty());
  for (const Alert& a : alerts) EXPECT_EQ(a.head, 2) << text_of(alerts);
}

TEST(Alerts, NothingIsJudgedBeforeItHasAHistory) {
  HeadSeries series = healthy(2, 4, 7, 12);
  series.chance.clear();
  disturb(series, 1, "coherence", 4, [](double) { return 9.0; });
  EXPECT_TRUE(all_alerts(series).empty());
}

}  // namespace
}  // namespace logitfield
