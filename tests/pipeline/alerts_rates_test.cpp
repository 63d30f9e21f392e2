// Rates of false alerts and delays of true ones, on series of many kinds (alert_series.hpp). alerts_rates.cpp measures
// the same at greater length for docs/monitor.md.
#include <gtest/gtest.h>

#include "tests/pipeline/alert_series.hpp"

namespace logitfield::testing {
namespace {

std::string text_of(const std::vector<Alert>& alerts) {
  std::string out;
  for (const Alert& a : alerts) {
    out += std::to_string(a.step) + " " + std::to_string(a.layer) + "/" + std::to_string(a.head) + " " +
           std::string(alert_name(a.kind)) + " " + a.statistic + "\n";
  }
  return out;
}

/// At most one alert in 9,600 head-checkpoints, about a tenth per 1,000; more for heads that wander at different paces.
TEST(AlertRates, HealthySeriesOfEveryKindRaiseAlmostNone) {
  constexpr Shape shape{5, 16, 120};
  for (const HealthyKind& kind : healthy_kinds()) {
    Healthy healthy(shape, 20261126);
    const auto alerts = all_alerts(kind.make(healthy));
    const bool unequal = kind.name.find("lognormal") != std::string::npos;
    const std::size_t most = unequal && kind.name.starts_with("random walk") ? 12
                             : unequal && kind.name.starts_with("AR(1)")     ? 4
                                                                             : 1;
    EXPECT_LE(alerts.size(), most) << kind.name << "\n" << text_of(alerts);
  }
}

TEST(AlertRates, EveryFaultIsFoundWhereItIsAndInTime) {
  for (const Fault& fault : faults()) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Healthy healthy(kFaulty, seed);
      HeadSeries series = healthy.normal(0.05);
      fault.put(series);
      const std::int64_t delay = delay_of(fault, series);
      EXPECT_GE(delay, 1) << fault.name << ", seed " << seed << "\n" << text_of(all_alerts(series));
      EXPECT_LE(delay, fault.delay) << fault.name << ", seed " << seed << "\n" << text_of(all_alerts(series));
    }
  }
}

/// A fault of one head may raise alerts only for that head, and none before it begins.
TEST(AlertRates, AFaultIsToldOfNoOtherHead) {
  for (const Fault& fault : faults()) {
    if (fault.name.starts_with("all heads")) continue;
    Healthy healthy(kFaulty, 4);
    HeadSeries series = healthy.normal(0.05);
    fault.put(series);
    for (const Alert& a : all_alerts(series)) {
      EXPECT_EQ(a.layer * kFaulty.heads + a.head, static_cast<std::int64_t>(kFaultyHead)) << fault.name;
      EXPECT_GE(a.step, static_cast<std::int64_t>(100 * kFaultBegins)) << fault.name;
    }
  }
}

/// One head's noise must not affect another's band, nor hide its fault.
TEST(AlertRates, AJumpFarOutsideItsOwnNoiseIsFoundInLoudAndQuietHeads) {
  for (const double sd : {0.06, 0.1, 0.3}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      Healthy healthy(kFaulty, 10 + seed);
      HeadSeries series = healthy.few_loud(kFaultyHead + 1, sd, 0.03);
      multiply(series, kFaultyHead, "coherence", [=](double) { return std::exp(16 * sd); });
      const Fault jump{"a jump", {}, {AlertKind::jump, AlertKind::drift}};
      const std::int64_t delay = delay_of(jump, series);
      EXPECT_GE(delay, 1) << "sd " << sd << ", seed " << seed;
      EXPECT_LE(delay, 4) << "sd " << sd << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace logitfield::testing
