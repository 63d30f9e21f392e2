#include "pipeline/monitor/head_judge.hpp"

#include <algorithm>
#include <cmath>

namespace logitfield {
namespace {

/// Number of windows from which the noise of a head is estimated.
constexpr std::int64_t kNoiseWindows = 4;

std::span<const double> latest(std::span<const double> values, std::int64_t count) {
  return values.last(std::min(values.size(), static_cast<std::size_t>(count)));
}

std::vector<double> copy_of(std::span<const double> values) { return {values.begin(), values.end()}; }

/// Logarithm of a value; NaN if it has none. A zero attention entropy counts as kLeastEntropy. Other statistics are
/// zero if a head has no field.
double log_of(double value, bool may_be_zero) {
  if (may_be_zero && value >= 0) return std::log(std::max(value, kLeastEntropy));
  return value > 0 ? std::log(value) : kernels::kUndefined;
}

}  // namespace

HeadJudge::HeadJudge(const HeadSeries& series, std::size_t last_step, const Rule& rule, const Thresholds& thresholds)
    : series_(series), last_(last_step), rule_(rule), t_(thresholds), known_(series.size()) {
  const auto group = static_cast<std::size_t>(series.num_heads / series.num_kv_heads);
  for (std::size_t h = 0; h < series.size(); h += rule.of_kv_head ? group : 1) heads_.push_back(h);
  const std::size_t statistic = followed(rule.statistic);
  const bool may_be_zero = rule.statistic == "attention_entropy";
  for (std::size_t i = 0; i <= last_step; ++i) {
    if (!series.steps[i].measured()) continue;
    for (const std::size_t h : heads_) {
      const double log = log_of(series.steps[i].value(h, statistic), may_be_zero);
      if (std::isnan(log)) continue;
      known_[h].logs.push_back(log);
      known_[h].steps.push_back(i);
    }
  }
}

OwnNoise HeadJudge::own_noise(std::span<const double> past) const {
  return OwnNoise(latest(past, kNoiseWindows * t_.window));
}

std::span<const double> HeadJudge::past(std::size_t head, std::size_t count) const {
  return std::span(known_[head].logs).first(count - std::min(count, static_cast<std::size_t>(t_.confirm)));
}

double HeadJudge::least_width() const { return std::max(t_.band * kLeastNoise, rule_.least_fall); }

double HeadJudge::beginning(std::size_t head) const {
  return middle_of(copy_of(std::span(known_[head].logs).first(static_cast<std::size_t>(t_.history))));
}

bool HeadJudge::is_outside(double log, const Band& band) const {
  if (rule_.both_sides) return std::abs(log - band.middle) > band.width;
  const bool fell_enough =
      rule_.statistic != "attention_entropy" || std::exp(band.middle) - std::exp(log) >= kLeastFall;
  return log < band.low() && fell_enough;
}

std::optional<Band> HeadJudge::history(std::size_t head, std::size_t count) {
  const auto past = this->past(head, count);
  if (std::ssize(past) < t_.history) return std::nullopt;
  const Known& known = known_[head];
  const std::vector<double> window = copy_of(latest(past, t_.window));
  Band band{middle_of(window), least_width()};
  if (!is_outside(known.logs[count - 1], band)) return band;  // inside, whatever the noise
  const Noise& noise = noise_at(known.steps[count - 1]);
  const double own = std::max(robust_sd(window), own_noise(past).over(half_window(), noise.power));
  band.width = std::max(band.width, t_.band * std::max(own, noise.sd));
  return band;
}

std::optional<Band> HeadJudge::peers(std::size_t head, std::size_t count) {
  const auto past = this->past(head, count);
  if (std::ssize(past) < t_.history) return std::nullopt;
  const Known& known = known_[head];
  const std::size_t step = known.steps[count - 1];
  const Changes& changes = changes_at(step);
  if (changes.count < kFewestPeers) return std::nullopt;
  Band band{beginning(head) + changes.middle, least_width()};
  if (!is_outside(known.logs[count - 1], band)) return band;
  const Noise& noise = noise_at(step);
  const double lag = static_cast<double>(count) - static_cast<double>(t_.history) / 2;
  const double own = own_noise(past).over(lag, noise.power);
  band.width = std::max(band.width, t_.band * std::max({own, noise.sd, changes.spread}));
  return band;
}

std::optional<Band> HeadJudge::chance(std::size_t, std::size_t) {
  const auto found = series_.chance.find(std::string(rule_.statistic));
  if (found == series_.chance.end() || !rule_.both_sides) return std::nullopt;
  return Band{std::log(found->second.first), std::log(t_.chance)};
}

std::optional<Band> HeadJudge::told(std::size_t head, BandOf band_of) {
  const Known& known = known_[head];
  const std::size_t count = known.logs.size();
  if (count == 0 || known.steps.back() != last_) return std::nullopt;
  const std::optional<Band> now = (this->*band_of)(head, count);
  if (!now || !is_outside(known.logs.back(), *now)) return std::nullopt;
  if (!begins_at(head, count, band_of, *now)) return std::nullopt;
  // The band may have widened in between. That must not cause a second alert for a head that never came back.
  for (std::size_t i = count - 1; i-- > 0;) {
    const Band then = (this->*band_of)(head, i + 1).value_or(*now);
    if (!is_outside(known.logs[i], {then.middle, now->width})) break;
    if (begins_at(head, i + 1, band_of, *now)) return std::nullopt;
  }
  return now;
}

bool HeadJudge::begins_at(std::size_t head, std::size_t count, BandOf band_of, const Band& now) {
  std::vector<std::uint8_t> outside;
  for (std::size_t i = count - std::min(count, 2 * block() + 1); i < count; ++i) {
    outside.push_back(is_outside(known_[head].logs[i], (this->*band_of)(head, i + 1).value_or(now)));
  }
  return begins(outside, static_cast<std::size_t>(t_.confirm));
}

std::optional<Band> HeadJudge::leaves_peers(std::size_t head) {
  const std::optional<Band> out = told(head, &HeadJudge::peers);
  if (!out || rule_.of_history != rule_.of_peers) return out;
  // The history has already reported this departure, and the head may hover around the edge of the other band.
  const Known& known = known_[head];
  const std::size_t count = known.logs.size();
  for (std::size_t i = count - std::min(count, static_cast<std::size_t>(t_.window)); i < count; ++i) {
    const std::optional<Band> band = history(head, i + 1);
    if (band && is_outside(known.logs[i], *band)) return std::nullopt;
  }
  return out;
}

std::size_t HeadJudge::count_at(std::size_t head, std::size_t step) const {
  const std::vector<std::size_t>& steps = known_[head].steps;
  return static_cast<std::size_t>(std::ranges::upper_bound(steps, step) - steps.begin());
}

const HeadJudge::Noise& HeadJudge::noise_at(std::size_t step) {
  const auto [place, is_new] = noises_.try_emplace(step);
  Noise& out = place->second;
  if (!is_new) return out;
  std::vector<OwnNoise> noises;
  for (const std::size_t h : heads_) {
    const auto past = this->past(h, count_at(h, step));
    if (std::ssize(past) >= t_.history) noises.push_back(own_noise(past));
  }
  if (noises.empty()) return out;
  std::vector<double> values;
  if (noises.size() >= kFewestPeers) {
    for (const OwnNoise& noise : noises) values.push_back(noise.power());
    out.power = middle_of(std::move(values));
  }
  values.clear();
  for (const OwnNoise& noise : noises) values.push_back(noise.over(half_window(), out.power));
  out.sd = middle_of(std::move(values));
  return out;
}

const HeadJudge::Changes& HeadJudge::changes_at(std::size_t step) {
  const auto [place, is_new] = changes_.try_emplace(step);
  Changes& out = place->second;
  if (!is_new) return out;
  std::vector<double> changes;
  for (const std::size_t h : heads_) {
    const std::size_t count = count_at(h, step);
    const bool is_known = count > 0 && known_[h].steps[count - 1] == step;
    if (is_known && std::ssize(past(h, count)) >= t_.history) {
      changes.push_back(known_[h].logs[count - 1] - beginning(h));
    }
  }
  out.count = changes.size();
  if (changes.empty()) return out;
  out.spread = robust_sd(changes);
  out.middle = middle_of(std::move(changes));
  return out;
}

}  // namespace logitfield
