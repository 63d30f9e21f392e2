// Synthetic series of heads over training: many kinds of healthy ones, and faults to insert.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/monitor/alerts.hpp"

namespace logitfield::testing {

/// Alerts of every step, in order.
inline std::vector<Alert> all_alerts(const HeadSeries& series, const Thresholds& thresholds = {}) {
  std::vector<Alert> out;
  for (std::size_t i = 0; i < series.steps.size(); ++i) {
    for (Alert& alert : alerts_at(series, i, thresholds)) out.push_back(std::move(alert));
  }
  return out;
}

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
/// The statistics of kFollowed, and the energy.
inline constexpr std::size_t kStatistics = kFollowed.size() + 1;

struct Shape {
  std::int64_t layers = 10, heads = 20, steps = 200;
  std::size_t size() const { return static_cast<std::size_t>(layers * heads); }
};

/// Logarithm of a head's statistic at a step, relative to a usual level.
using Logs = std::function<double(std::int64_t step, std::size_t head, std::size_t statistic)>;

/// Step numbers are multiples of 100.
inline HeadSeries make_series(const Shape& shape, const Logs& logs) {
  constexpr std::array<double, kStatistics> levels{2.5, 0.8, 9, 20, 4, 5, 3, 0.1, 12, 1000};
  HeadSeries series{0, shape.layers, shape.heads, shape.heads, {}, {}};
  for (std::int64_t i = 0; i < shape.steps; ++i) {
    StepValues step{100 * i, 5, {}, {}, {}, {}};
    for (std::size_t h = 0; h < shape.size(); ++h) {
      std::array<double, kStatistics> values;
      for (std::size_t s = 0; s < kStatistics; ++s) values[s] = levels[s] * std::exp(logs(i, h, s));
      values[followed("max_logit")] = std::min(values[followed("max_logit")], 99.0);  // raises no alert by itself
      step.heads.emplace_back();
      std::copy_n(values.begin(), kFollowed.size(), step.heads.back().begin());
      step.energies.push_back(values.back());
    }
    series.steps.push_back(std::move(step));
  }
  return series;
}

/// One number for each statistic of each head.
class Grid {
 public:
  template <class Make>
  Grid(const Shape& shape, Make&& make) : values_(shape.size()) {
    for (auto& head : values_) {
      for (double& v : head) v = make();
    }
  }
  double& at(std::size_t head, std::size_t statistic) { return values_[head][statistic]; }

 private:
  std::vector<std::array<double, kStatistics>> values_;
};

/// Healthy series with independent noise for every statistic of every head. Each call draws a new one.
class Healthy {
 public:
  Healthy(Shape shape, std::uint64_t seed) : shape_(shape), random_(seed) {}

  HeadSeries normal(double sd) {
    return make_series(shape_, [&](auto, auto, auto) { return sd * normal_(random_); });
  }
  /// Equal noise in all heads except the first few.
  HeadSeries few_loud(std::size_t loud, double loud_sd, double sd) {
    return make_series(shape_, [&](auto, std::size_t h, auto) { return (h < loud ? loud_sd : sd) * normal_(random_); });
  }
  /// Standard deviations spread lognormally over heads and statistics.
  HeadSeries unequal(double sd, double width) {
    Grid sds = lognormal(sd, width);
    return make_series(shape_, [&](auto, std::size_t h, std::size_t s) { return sds.at(h, s) * normal_(random_); });
  }
  /// Student's t with three degrees of freedom: no fourth moment.
  HeadSeries heavy_tails(double scale) {
    std::student_t_distribution<double> t(3);
    return make_series(shape_, [&, t](auto, auto, auto) mutable { return scale * t(random_); });
  }
  /// AR(1) noise with this stationary standard deviation, spread over heads by `width`.
  HeadSeries autocorrelated(double phi, double sd, double width = 0) {
    Grid sds = lognormal(sd, width), state(shape_, [&] { return normal_(random_); });
    return make_series(shape_, [&](auto, std::size_t h, std::size_t s) {
      state.at(h, s) = phi * state.at(h, s) + std::sqrt(1 - phi * phi) * normal_(random_);
      return sds.at(h, s) * state.at(h, s);
    });
  }
  HeadSeries random_walk(double sd, double width = 0) {
    Grid sds = lognormal(sd, width), state(shape_, [] { return 0; });
    return make_series(
        shape_, [&](auto, std::size_t h, std::size_t s) { return state.at(h, s) += sds.at(h, s) * normal_(random_); });
  }
  /// Learning that is fast at first and later logarithmic, with a separate speed for each; noise as in unequal().
  HeadSeries learning(double speed, double speed_sd, double sd, double width) {
    Grid sds = lognormal(sd, width), speeds(shape_, [&] { return speed + speed_sd * normal_(random_); });
    return make_series(shape_, [&](std::int64_t i, std::size_t h, std::size_t s) {
      return speeds.at(h, s) * std::log(1 + i) + sds.at(h, s) * normal_(random_);
    });
  }
  /// Straight lines, each with its own slope.
  HeadSeries trends(double slope_sd, double sd, double width) {
    Grid sds = lognormal(sd, width), slopes(shape_, [&] { return slope_sd * normal_(random_); });
    return make_series(shape_, [&](std::int64_t i, std::size_t h, std::size_t s) {
      return slopes.at(h, s) * double(i) + sds.at(h, s) * normal_(random_);
    });
  }

 private:
  Grid lognormal(double middle, double width) {
    return {shape_, [&] { return middle * std::exp(width * normal_(random_)); }};
  }

  Shape shape_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

struct HealthyKind {
  std::string name;
  std::function<HeadSeries(Healthy&)> make;
};

inline std::vector<HealthyKind> healthy_kinds() {
  return {{"normal noise, sd 2 %", [](Healthy& h) { return h.normal(0.02); }},
          {"normal noise, sd 10 %", [](Healthy& h) { return h.normal(0.1); }},
          {"normal noise, sd 30 %", [](Healthy& h) { return h.normal(0.3); }},
          {"sd 5 %, lognormal over heads, width 0.5", [](Healthy& h) { return h.unequal(0.05, 0.5); }},
          {"sd 5 %, lognormal, width 1", [](Healthy& h) { return h.unequal(0.05, 1); }},
          {"sd 5 %, lognormal, width 1.5", [](Healthy& h) { return h.unequal(0.05, 1.5); }},
          {"sd 3 %; of one head 20 %", [](Healthy& h) { return h.few_loud(1, 0.2, 0.03); }},
          {"sd 3 %; of one head 100 %", [](Healthy& h) { return h.few_loud(1, 1, 0.03); }},
          {"sd 3 %; of ten heads 30 %", [](Healthy& h) { return h.few_loud(10, 0.3, 0.03); }},
          {"sd 3 %; of ten heads 100 %", [](Healthy& h) { return h.few_loud(10, 1, 0.03); }},
          {"Student t3, scale 10 %", [](Healthy& h) { return h.heavy_tails(0.1); }},
          {"AR(1) 0.9, sd 10 %", [](Healthy& h) { return h.autocorrelated(0.9, 0.1); }},
          {"AR(1) 0.98, sd 10 %", [](Healthy& h) { return h.autocorrelated(0.98, 0.1); }},
          {"AR(1) 0.9, sd 10 %, lognormal, width 1", [](Healthy& h) { return h.autocorrelated(0.9, 0.1, 1); }},
          {"AR(1) 0.98, sd 10 %, lognormal, width 1", [](Healthy& h) { return h.autocorrelated(0.98, 0.1, 1); }},
          {"random walk, 1 % a step", [](Healthy& h) { return h.random_walk(0.01); }},
          {"random walk, 3 % a step", [](Healthy& h) { return h.random_walk(0.03); }},
          {"random walk, 10 % a step", [](Healthy& h) { return h.random_walk(0.1); }},
          {"random walk, 3 %, lognormal, width 1", [](Healthy& h) { return h.random_walk(0.03, 1); }},
          {"learning, t^(-0.08 +- 0.024), sd 2 %", [](Healthy& h) { return h.learning(-0.08, 0.024, 0.02, 0.5); }},
          {"learning, t^(-0.3 +- 0.15), sd 5 %", [](Healthy& h) { return h.learning(-0.3, 0.15, 0.05, 1); }},
          {"straight trends, 0 +- 0.5 % a step, sd 3 %", [](Healthy& h) { return h.trends(0.005, 0.03, 0.5); }}};
}

/// The head that gets a fault, and the checkpoint at which it begins, in series of shape kFaulty.
inline constexpr std::size_t kFaultyHead = 9;
inline constexpr std::size_t kFaultBegins = 50;
inline constexpr Shape kFaulty{4, 8, 100};

/// Multiplies a head's statistic by factor(checkpoints since), from the fault's beginning on.
template <class Factor>
void multiply(HeadSeries& series, std::size_t head, std::string_view statistic, Factor&& factor,
              std::size_t from = kFaultBegins) {
  const std::size_t place = followed(statistic);
  for (std::size_t i = from; i < series.steps.size(); ++i) {
    StepValues& step = series.steps[i];
    if (!step.measured()) continue;
    double& value = place < kFollowed.size() ? step.heads[head][place] : step.energies[head];
    value *= factor(double(i - from));
  }
}

/// Values of a head without a field: energy and rank are zero, shares undefined.
inline void kill(HeadSeries& series, std::size_t head, bool keys_too) {
  for (std::size_t i = kFaultBegins; i < series.steps.size(); ++i) {
    StepValues& step = series.steps[i];
    step.energies[head] = step.heads[head][followed("effective_rank")] = 0;
    step.heads[head][followed("key_participation")] = kNaN;
    if (!keys_too) continue;
    step.heads[head][followed("coherence")] = kNaN;
    step.heads[head][followed("key_effective_rank")] = 0;
  }
}

struct Fault {
  std::string name;
  std::function<void(HeadSeries&)> put;
  /// `kinds`: any of these alerts counts as detection. `of_model`: it is an alert of the model, not of the head.
  std::vector<AlertKind> kinds;
  bool of_model = false;
  /// Checkpoints from the beginning within which it must be detected, by the definitions and for noise of about 5 %.
  std::int64_t delay = 2;
};

inline std::vector<Fault> faults() {
  const auto times = [](const char* statistic, std::function<double(double)> factor) {
    return [=](HeadSeries& s) { multiply(s, kFaultyHead, statistic, factor); };
  };
  const auto all_times = [](const char* statistic, std::function<double(double)> factor) {
    return [=](HeadSeries& s) {
      for (std::size_t h = 0; h < s.size(); ++h) multiply(s, h, statistic, factor);
    };
  };
  const auto grows = [](double rate) { return [=](double i) { return std::exp(rate * i); }; };
  const auto by = [](double factor) { return [=](double) { return factor; }; };
  const auto odd = [](double i) { return std::fmod(i, 2) != 0; };
  using enum AlertKind;
  return {
      {"coherence doubles", times("coherence", by(2)), {jump, drift}},
      {"participation halves", times("key_participation", by(0.5)), {jump, drift}},
      {"coherence drifts, 2 % a checkpoint", times("coherence", grows(0.02)), {jump, drift}, false, 48},
      {"coherence drifts, 3 % a checkpoint", times("coherence", grows(0.03)), {jump, drift}, false, 35},
      {"x 4 once, then x 0.2 for good", times("coherence", [](double i) { return i == 0 ? 4 : 0.2; }), {jump, drift}},
      {"x 5 and x 0.2 by turns", times("coherence", [=](double i) { return odd(i) ? 5 : 0.2; }), {jump, drift}},
      {"x 5 at every second", times("coherence", [=](double i) { return odd(i) ? 1 : 5; }), {jump, drift}, false, 3},
      {"x 0.2, not certified at the second",
       [=](HeadSeries& s) {
         times("coherence", by(0.2))(s);
         s.steps[kFaultBegins + 1].heads[kFaultyHead].fill(kNaN);
       },
       {jump, drift},
       false,
       3},
      {"queries become zero", [](HeadSeries& s) { kill(s, kFaultyHead, false); }, {dead}, false, 1},
      {"keys become equal", [](HeadSeries& s) { kill(s, kFaultyHead, true); }, {dead}, false, 1},
      {"queries halve at every checkpoint", times("energy", grows(-2 * std::log(2.0))), {dead}, false, 6},
      {"attention entropy becomes zero", times("attention_entropy", by(0)), {entropy_collapse}},
      {"attention entropy falls 15 % a checkpoint",
       times("attention_entropy", grows(-0.15)),
       {entropy_collapse},
       false,
       30},
      {"keys come to lie on a line", times("key_effective_rank", by(1.01 / 12)), {rank_collapse}},
      {"logits grow 15 % a checkpoint", times("max_logit", grows(0.15)), {max_logit}, false, 25},
      {"all heads: logits grow 12 % a checkpoint", all_times("max_logit", grows(0.12)), {model_drift}, true, 20},
      {"all heads: the same, capped at 50",
       [=](HeadSeries& s) {
         all_times("max_logit", grows(0.12))(s);
         for (StepValues& step : s.steps) {
           for (auto& head : step.heads) head[followed("max_logit")] = 50 * std::tanh(head[followed("max_logit")] / 50);
         }
       },
       {model_drift},
       true,
       20},
      {"all heads: attention entropy falls 5 % a checkpoint",
       all_times("attention_entropy", grows(-0.05)),
       {model_drift},
       true,
       40},
      {"all heads: attention entropy falls to a tenth", all_times("attention_entropy", by(0.1)), {entropy_collapse}},
  };
}

/// Number of checkpoints from the fault's beginning to the first alert that detects it, inclusive; -1: none.
inline std::int64_t delay_of(const Fault& fault, const HeadSeries& series, const Thresholds& thresholds = {}) {
  for (std::size_t i = kFaultBegins; i < series.steps.size(); ++i) {
    for (const Alert& a : alerts_at(series, i, thresholds)) {
      const bool there = fault.of_model
                             ? a.head < 0
                             : series.layer_of(kFaultyHead) == a.layer && series.head_of(kFaultyHead) == a.head;
      if (there && std::ranges::count(fault.kinds, a.kind) > 0) return static_cast<std::int64_t>(i - kFaultBegins) + 1;
    }
  }
  return -1;
}

}  // namespace logitfield::testing
