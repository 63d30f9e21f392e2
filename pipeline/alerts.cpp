#include "pipeline/alerts.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "pipeline/summary.hpp"

namespace logitfield {
namespace {

using kernels::kUndefined;

/// A statistic that is held against bands of its logarithm.
struct Rule {
  std::string_view statistic;
  AlertKind of_history, of_peers;
  bool of_kv_head, both_sides;
};
constexpr std::array<Rule, 5> kRules{
    {{"coherence", AlertKind::jump, AlertKind::drift, true, true},
     {"key_participation", AlertKind::jump, AlertKind::drift, false, true},
     {"attention_entropy", AlertKind::entropy_collapse, AlertKind::entropy_collapse, false, false},
     {"effective_rank", AlertKind::rank_collapse, AlertKind::rank_collapse, false, false},
     {"key_rank", AlertKind::rank_collapse, AlertKind::rank_collapse, true, false}}};

/// Of logarithms.
struct Band {
  double middle = 0, width = 0;
  bool holds(double value, bool both_sides) const {
    return value >= middle - width && (!both_sides || value <= middle + width);
  }
};

/// Standard deviation of normal values, from their median distance to the median.
double spread(const std::vector<double>& values) {
  const double middle = median(values);
  std::vector<double> distances;
  for (const double v : values) distances.push_back(std::abs(v - middle));
  return 1.4826 * median(std::move(distances));
}

/// Judges one statistic of all heads at one step, which was measured.
class Judge {
 public:
  Judge(const HeadSeries& series, std::size_t index, const Rule& rule, const Thresholds& thresholds)
      : series_(series), rule_(rule), t_(thresholds), statistic_(followed(rule.statistic)) {
    for (std::size_t i = index + 1; i-- > 0 && std::ssize(steps_) < t_.confirm + 1;) {
      if (series.steps[i].measured()) steps_.insert(steps_.begin(), i);
    }
    if (is_too_short()) return;
    for (std::size_t h = 0; h < series.size(); ++h) {
      beginnings_.push_back(beginning(h));
      recent_.push_back(recent(h));
      spreads_.push_back(is_judged(h) ? spread(recent_[h]) : kUndefined);
    }
    common_spread_ = std::max(kLeastSpread, median(spreads_));
    for (const std::size_t i : steps_) changes_.push_back(changes(i));
  }

  /// There are no earlier checkpoints to compare with.
  bool is_too_short() const { return std::ssize(steps_) < t_.confirm + 1; }
  bool is_judged(std::size_t h) const { return std::ssize(recent_[h]) >= t_.history; }

  /// The band of the head's own history, where it lies outside.
  std::optional<Band> leaves_history(std::size_t h) const {
    if (!is_judged(h)) return std::nullopt;
    const Band band{median(recent_[h]), width(spreads_[h])};
    return leaves(h, [&](std::size_t) { return band; }) ? std::optional(band) : std::nullopt;
  }

  /// The band of what the head would be, had it changed since its beginning as the other heads have.
  std::optional<Band> leaves_peers(std::size_t h) const {
    if (!is_judged(h) || changes_.back().size() < kFewestPeers) return std::nullopt;
    const auto band_at = [&](std::size_t b) {
      return Band{beginnings_[h] + median(changes_[b]), width(spread(changes_[b]))};
    };
    return leaves(h, band_at) ? std::optional(band_at(steps_.size() - 1)) : std::nullopt;
  }

  /// The band around what chance gives.
  std::optional<Band> leaves_chance(std::size_t h) const {
    const auto found = series_.chance.find(std::string(rule_.statistic));
    if (found == series_.chance.end() || !rule_.both_sides) return std::nullopt;
    const Band band{std::log(found->second.first), std::log(t_.chance)};
    return leaves(h, [&](std::size_t) { return band; }) ? std::optional(band) : std::nullopt;
  }

 private:
  /// NaN where it is not defined.
  double log_at(std::size_t h, std::size_t step) const {
    const double value = series_.steps[step].measured() ? series_.steps[step].heads[h][statistic_] : kUndefined;
    return value > 0 ? std::log(value) : kUndefined;
  }

  /// What is known of a head before it may have left: the last of it, and the median of the first.
  std::vector<double> recent(std::size_t h) const {
    std::vector<double> out;
    for (std::size_t i = steps_[1]; i-- > 0 && std::ssize(out) < t_.window;) {
      if (const double v = log_at(h, i); !std::isnan(v)) out.push_back(v);
    }
    return out;
  }
  double beginning(std::size_t h) const {
    std::vector<double> out;
    for (std::size_t i = 0; i < steps_[1] && std::ssize(out) < t_.history; ++i) {
      if (const double v = log_at(h, i); !std::isnan(v)) out.push_back(v);
    }
    return median(std::move(out));
  }

  /// Of all judged heads, from their beginnings to a step.
  std::vector<double> changes(std::size_t step) const {
    std::vector<double> out;
    for (std::size_t h = 0; h < series_.size(); ++h) {
      const double now = log_at(h, step);
      if (is_judged(h) && !std::isnan(now)) out.push_back(now - beginnings_[h]);
    }
    return out;
  }

  double width(double own_spread) const {
    const double least = rule_.both_sides ? 0 : -std::log(t_.collapse);
    return std::max(t_.band * std::max(own_spread, common_spread_), least);
  }

  /// Inside at the first step, or not known there; outside at all others, on the same side. A head that left before it
  /// had a history to be judged by, as all do early in training, does not leave now.
  template <class BandAt>
  bool leaves(std::size_t h, BandAt&& band_at) const {
    const double first = log_at(h, steps_[0]);
    if (!std::isnan(first) && !band_at(0).holds(first, rule_.both_sides)) return false;
    int above = 0, below = 0;
    for (std::size_t b = 1; b < steps_.size(); ++b) {
      const double value = log_at(h, steps_[b]);
      const Band band = band_at(b);
      above += rule_.both_sides && value > band.middle + band.width;
      below += value < band.middle - band.width && fell_enough(value, band);
    }
    return above == t_.confirm || below == t_.confirm;
  }
  bool fell_enough(double value, const Band& band) const {
    return rule_.statistic != "attention_entropy" || std::exp(band.middle) - std::exp(value) >= kLeastFall;
  }

  const HeadSeries& series_;
  const Rule& rule_;
  const Thresholds& t_;
  const std::size_t statistic_;
  /// The last step before the head left, and the steps that must lie outside.
  std::vector<std::size_t> steps_;
  /// By head; the spreads are those of the judged heads' histories.
  std::vector<std::vector<double>> recent_;
  std::vector<double> beginnings_, spreads_;
  double common_spread_ = 0;
  /// By place in steps_, of the heads that are judged.
  std::vector<std::vector<double>> changes_;
};

class Alerts {
 public:
  Alerts(const HeadSeries& series, std::size_t index) : series_(series), now_(series.steps[index]) {}

  void add(std::size_t h, AlertKind kind, std::string_view statistic, const Band& band, bool both_sides,
           std::string detail) {
    add({now_.step, series_.layer_of(h), series_.head_of(h), kind, std::string(statistic),
         now_.heads[h][followed(statistic)], std::exp(band.middle - band.width),
         both_sides ? std::exp(band.middle + band.width) : kUndefined, std::move(detail)});
  }
  void add(Alert alert) { all.push_back(std::move(alert)); }

  std::vector<Alert> all;

 private:
  const HeadSeries& series_;
  const StepValues& now_;
};

void judge(const HeadSeries& series, std::size_t index, const Thresholds& t, const Rule& rule, Alerts& out) {
  const Judge judge(series, index, rule, t);
  if (judge.is_too_short()) return;
  const auto group = static_cast<std::size_t>(series.num_heads / series.num_kv_heads);
  for (std::size_t h = 0; h < series.size(); h += rule.of_kv_head ? group : 1) {
    const auto add = [&](AlertKind kind, const Band& band, const char* detail) {
      out.add(h, kind, rule.statistic, band, rule.both_sides, detail);
    };
    const auto history = judge.leaves_history(h), peers = judge.leaves_peers(h), chance = judge.leaves_chance(h);
    if (history) add(rule.of_history, *history, "outside the band of its own history");
    if (peers && !(history && rule.of_history == rule.of_peers))
      add(rule.of_peers, *peers, "has changed otherwise than the other heads");
    if (chance) add(AlertKind::chance, *chance, "far from what Gaussian heads give");
  }
}

void add_limits(const HeadSeries& series, std::size_t index, const Thresholds& t, Alerts& out) {
  const StepValues& now = series.steps[index];
  const std::size_t max_logit = followed("max_logit");
  for (std::size_t h = 0; h < now.heads.size(); ++h) {
    if (!(now.heads[h][max_logit] > t.max_logit)) continue;
    out.add({now.step, series.layer_of(h), series.head_of(h), AlertKind::max_logit, "max_logit",
             now.heads[h][max_logit], kUndefined, t.max_logit, "over the limit"});
  }
  for (const FailedHead& f : now.failed) {
    out.add({now.step, series.layer_of(f.head), series.head_of(f.head),
             f.finite ? AlertKind::certificate : AlertKind::not_finite, f.finite ? f.check : "queries, keys",
             f.finite ? f.error : kUndefined, kUndefined, f.finite ? f.bound : kUndefined,
             f.finite ? "failed its certificate: not used" : "NaN or infinity in its queries, keys or statistics"});
  }
  for (const NotFinite& w : now.not_finite) {
    std::vector<std::int64_t> heads = w.heads;
    if (heads.empty()) heads.push_back(-1);
    for (const std::int64_t head : heads) {
      out.add({now.step, w.layer, head, AlertKind::not_finite, w.tensor, kUndefined, kUndefined, kUndefined,
               fmt::format("{} at [row, column] = {}: the checkpoint was not measured", w.value, w.index)});
    }
  }
}

/// Every condition that holds at a step, whether it did before or not.
std::vector<Alert> conditions(const HeadSeries& series, std::size_t index, const Thresholds& thresholds) {
  Alerts out(series, index);
  if (series.steps[index].measured()) {
    for (const Rule& rule : kRules) judge(series, index, thresholds, rule, out);
  }
  add_limits(series, index, thresholds, out);
  return std::move(out.all);
}

/// The step before, measured or not as this one is.
std::optional<std::size_t> step_before(const HeadSeries& series, std::size_t index) {
  for (std::size_t i = index; i-- > 0;) {
    if (series.steps[i].measured() == series.steps[index].measured()) return i;
  }
  return std::nullopt;
}

bool is_same(const Alert& a, const Alert& b) {
  return a.kind == b.kind && a.layer == b.layer && a.head == b.head && a.statistic == b.statistic;
}

}  // namespace

std::string_view alert_name(AlertKind kind) {
  constexpr std::array<std::string_view, 8> names{"jump",          "drift",     "chance",     "entropy_collapse",
                                                  "rank_collapse", "max_logit", "not_finite", "certificate"};
  return names[static_cast<std::size_t>(kind)];
}

std::vector<Alert> alerts_at(const HeadSeries& series, std::size_t index, const Thresholds& thresholds) {
  std::vector<Alert> out = conditions(series, index, thresholds);
  const auto before = step_before(series, index);
  if (out.empty() || !before) return out;
  const std::vector<Alert> known = conditions(series, *before, thresholds);
  std::erase_if(out, [&](const Alert& alert) {
    return std::ranges::any_of(known, [&](const Alert& other) { return is_same(alert, other); });
  });
  return out;
}

}  // namespace logitfield
