#include "pipeline/monitor/model_drift.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/monitor/alert_bands.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

/// A statistic, and the direction in which a large common change of all heads raises an alert.
struct Side {
  std::string_view statistic;
  double sign;
};
constexpr std::array<Side, 6> kSides{{{"max_logit", 1},
                                      {"attention_entropy", -1},
                                      {"effective_rank", -1},
                                      {"key_effective_rank", -1},
                                      {"coherence", 1},
                                      {"key_participation", -1}}};

/// Logarithms of the median over heads at the measured steps, oldest first, and their steps.
struct Medians {
  std::vector<double> logs, steps;
};

Medians medians_until(const HeadSeries& series, std::size_t index, std::string_view statistic) {
  Medians out;
  const std::size_t place = followed(statistic);
  for (std::size_t i = 0; i <= index; ++i) {
    const StepValues& step = series.steps[i];
    if (!step.measured()) continue;
    std::vector<double> values;
    for (std::size_t h = 0; h < step.heads.size(); ++h) values.push_back(step.value(h, place));
    const double middle = median(std::move(values));
    const bool may_be_zero = statistic == "attention_entropy";
    if (!(middle > 0) && !(middle == 0 && may_be_zero)) continue;
    out.logs.push_back(std::log(std::max(middle, kLeastEntropy)));
    out.steps.push_back(static_cast<double>(step.step));
  }
  return out;
}

/// Judges the medians as if they were those of a head. A value is outside if it has changed since the beginning by more
/// than a factor and more than noise, and the change is not slowing down.
class Model {
 public:
  Model(const Medians& medians, const Side& side, const Thresholds& t) : m_(medians), side_(side), t_(t) {
    if (size() < history() + confirm()) return;
    std::vector<double> first(m_.logs.begin(), m_.logs.begin() + t.history);
    middle_ = middle_of(std::move(first));
  }
  std::size_t size() const { return m_.logs.size(); }

  /// The band of value i; empty if it cannot be judged.
  std::optional<Band> band_of(std::size_t i) const {
    if (i + 1 < history() + confirm()) return std::nullopt;
    const OwnNoise noise(std::span(m_.logs).first(i + 1 - confirm()));
    const double lag = static_cast<double>(i + 1) - static_cast<double>(history()) / 2;
    return Band{middle_, std::max(-std::log(t_.collapse), t_.band * noise.over(lag, 0.5))};
  }

  /// The band left by a departure that begins at the last value.
  std::optional<Band> leaves() const {
    const std::optional<Band> now = band_of(size() - 1);
    if (!now) return std::nullopt;
    if (!begins_at(size(), *now)) return std::nullopt;
    // The band may have widened in between. That must not cause a second alert if the value never came back.
    for (std::size_t i = size() - 1; i-- > 0 && is_outside(i, *now);) {
      if (begins_at(i + 1, *now)) return std::nullopt;
    }
    return now;
  }

 private:
  std::size_t history() const { return static_cast<std::size_t>(t_.history); }
  std::size_t confirm() const { return static_cast<std::size_t>(t_.confirm); }

  /// Whether a departure begins at the last of the first `count` values. `now` stands in for the band of values too
  /// early to judge.
  bool begins_at(std::size_t count, const Band& now) const {
    std::vector<std::uint8_t> outside;
    for (std::size_t i = count - std::min(count, 4 * confirm() - 1); i < count; ++i) {
      outside.push_back(is_outside(i, band_of(i).value_or(now)));
    }
    return begins(outside, confirm());
  }

  bool is_outside(std::size_t i, const Band& band) const {
    const double change = side_.sign * (m_.logs[i] - band.middle);
    if (change <= band.width || !goes_on(i)) return false;
    const double now = std::exp(m_.logs[i]);
    if (side_.statistic == "max_logit") return now > t_.collapse * t_.max_logit;
    return side_.statistic != "attention_entropy" || std::exp(band.middle) - now >= kLeastFall;
  }

  /// Whether the change continues: since the beginning, its later half was at least half as fast as its earlier half.
  /// Ordinary learning, fast at first and then slow, does not count.
  bool goes_on(std::size_t i) const {
    if (i < history()) return false;
    const double from = m_.steps[history() / 2], to = m_.steps[i];
    const auto past_half = [&](double step) { return step >= (from + to) / 2; };
    const auto place =
        std::ranges::find_if(m_.steps.begin(), m_.steps.begin() + static_cast<std::ptrdiff_t>(i), past_half);
    auto half = static_cast<std::size_t>(place - m_.steps.begin());
    half = std::min(half, i - 1);
    const double early = side_.sign * (m_.logs[half] - middle_) / (m_.steps[half] - from);
    const double late = side_.sign * (m_.logs[i] - m_.logs[half]) / (to - m_.steps[half]);
    return late >= early / 2;
  }

  const Medians& m_;
  const Side& side_;
  const Thresholds& t_;
  double middle_ = 0;
};

}  // namespace

std::vector<Alert> model_drifts_at(const HeadSeries& series, std::size_t index, const Thresholds& thresholds) {
  std::vector<Alert> out;
  for (const Side& side : kSides) {
    const Medians medians = medians_until(series, index, side.statistic);
    if (medians.steps.empty() || medians.steps.back() != static_cast<double>(series.steps[index].step)) continue;
    const std::optional<Band> band = Model(medians, side, thresholds).leaves();
    if (!band) continue;
    out.push_back({series.steps[index].step, -1, -1, AlertKind::model_drift, std::string(side.statistic),
                   std::exp(medians.logs.back()), side.sign < 0 ? std::exp(band->low()) : kernels::kUndefined,
                   side.sign > 0 ? std::exp(band->high()) : kernels::kUndefined,
                   "median over heads: all heads move in the same direction without slowing down"});
  }
  return out;
}

}  // namespace logitfield
