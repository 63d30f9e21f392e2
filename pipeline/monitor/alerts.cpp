#include "pipeline/monitor/alerts.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/monitor/head_judge.hpp"
#include "pipeline/monitor/model_drift.hpp"

namespace logitfield {
namespace {

using kernels::kUndefined;

std::vector<Rule> rules(const Thresholds& t) {
  const double fall = -std::log(t.collapse);
  return {{"coherence", AlertKind::jump, AlertKind::drift, true, true},
          {"key_participation", AlertKind::jump, AlertKind::drift, false, true},
          {"attention_entropy", AlertKind::entropy_collapse, AlertKind::entropy_collapse, false, false, fall},
          {"effective_rank", AlertKind::rank_collapse, AlertKind::rank_collapse, false, false, fall},
          {"key_effective_rank", AlertKind::rank_collapse, AlertKind::rank_collapse, true, false, fall},
          {"energy", AlertKind::dead, AlertKind::dead, false, false, 2 * fall}};  // energy is the square of the field
}

void judge(const HeadSeries& series, std::size_t index, const Thresholds& t, const Rule& rule,
           std::vector<Alert>& out) {
  HeadJudge judge(series, index, rule, t);
  const StepValues& now = series.steps[index];
  for (const std::size_t h : judge.heads()) {
    const auto add = [&](AlertKind kind, const Band& band, const char* detail) {
      out.push_back({now.step, series.layer_of(h), series.head_of(h), kind, std::string(rule.statistic),
                     now.value(h, followed(rule.statistic)), std::exp(band.low()),
                     rule.both_sides ? std::exp(band.high()) : kUndefined, detail});
    };
    const auto history = judge.leaves_history(h), peers = judge.leaves_peers(h), chance = judge.leaves_chance(h);
    if (history) add(rule.of_history, *history, "outside the band of its own history");
    if (peers && !(history && rule.of_history == rule.of_peers))
      add(rule.of_peers, *peers, "has changed differently from the other heads");
    if (chance) add(AlertKind::chance, *chance, "far from the value of Gaussian heads");
  }
}

/// The last measured step before this one at which the head's statistic is known.
const StepValues* known_before(const HeadSeries& series, std::size_t index, std::size_t head, std::size_t statistic) {
  for (std::size_t i = index; i-- > 0;) {
    const StepValues& step = series.steps[i];
    if (step.measured() && !std::isnan(step.value(head, statistic))) return &step;
  }
  return nullptr;
}

void add_large_logits(const HeadSeries& series, std::size_t index, const Thresholds& t, std::vector<Alert>& out) {
  const StepValues& now = series.steps[index];
  const std::size_t max_logit = followed("max_logit");
  for (std::size_t h = 0; h < now.heads.size(); ++h) {
    const double value = now.value(h, max_logit);
    if (!(value > t.max_logit)) continue;
    const StepValues* before = known_before(series, index, h, max_logit);
    if (before && before->value(h, max_logit) > t.max_logit) continue;
    out.push_back({now.step, series.layer_of(h), series.head_of(h), AlertKind::max_logit, "max_logit", value,
                   kUndefined, t.max_logit, "above the limit"});
  }
}

/// Adds heads that had a field (or distinct keys) and now have none. A head that never had one has not begun to learn.
void add_dead(const HeadSeries& series, std::size_t index, std::vector<Alert>& out) {
  const StepValues& now = series.steps[index];
  for (std::size_t h = 0; h < now.heads.size(); ++h) {
    for (const std::string_view statistic : {"effective_rank", "key_effective_rank"}) {
      const std::size_t place = followed(statistic);
      if (now.value(h, place) != 0) continue;
      const StepValues* before = known_before(series, index, h, place);
      if (!before || before->value(h, place) == 0) continue;
      out.push_back({now.step, series.layer_of(h), series.head_of(h), AlertKind::dead, std::string(statistic), 0,
                     kUndefined, kUndefined, "no field is left: its queries are zero or its keys are all the same"});
      break;
    }
  }
}

bool had_failed(const HeadSeries& series, std::size_t index, const FailedHead& failed) {
  for (std::size_t i = index; i-- > 0;) {
    const StepValues& step = series.steps[i];
    if (!step.measured()) continue;
    return std::ranges::any_of(step.failed, [&](const FailedHead& other) {
      return other.head == failed.head && other.finite == failed.finite &&
             (!failed.finite || other.check == failed.check);
    });
  }
  return false;
}

void add_failed(const HeadSeries& series, std::size_t index, std::vector<Alert>& out) {
  const StepValues& now = series.steps[index];
  for (const FailedHead& f : now.failed) {
    if (had_failed(series, index, f)) continue;
    out.push_back({now.step, series.layer_of(f.head), series.head_of(f.head),
                   f.finite ? AlertKind::certificate : AlertKind::not_finite, f.finite ? f.check : "queries, keys",
                   f.finite ? f.error : kUndefined, kUndefined, f.finite ? f.bound : kUndefined,
                   f.finite ? "failed its certificate: its values are not used"
                            : "NaN or infinity in its queries, keys or statistics"});
  }
}

/// Heads of a tensor that is not finite; -1 if it belongs to no head in particular.
std::vector<std::int64_t> heads_of(const NotFinite& tensor) {
  return tensor.heads.empty() ? std::vector<std::int64_t>{-1} : tensor.heads;
}

bool was_not_finite(const HeadSeries& series, std::size_t index, const NotFinite& tensor, std::int64_t head) {
  if (index == 0) return false;
  return std::ranges::any_of(series.steps[index - 1].not_finite, [&](const NotFinite& other) {
    return other.tensor == tensor.tensor && std::ranges::count(heads_of(other), head) > 0;
  });
}

void add_not_finite(const HeadSeries& series, std::size_t index, std::vector<Alert>& out) {
  const StepValues& now = series.steps[index];
  for (const NotFinite& w : now.not_finite) {
    for (const std::int64_t head : heads_of(w)) {
      if (was_not_finite(series, index, w, head)) continue;
      out.push_back({now.step, w.layer, head, AlertKind::not_finite, w.tensor, kUndefined, kUndefined, kUndefined,
                     fmt::format("{} at [row, column] = {}: the checkpoint was not measured", w.value, w.index)});
    }
  }
}

}  // namespace

std::string_view alert_name(AlertKind kind) {
  constexpr std::array<std::string_view, kAlertKinds> names{
      "jump",       "drift",       "chance", "entropy_collapse", "rank_collapse", "max_logit",
      "not_finite", "certificate", "dead",   "model_drift"};
  return names[static_cast<std::size_t>(kind)];
}

std::vector<Alert> alerts_at(const HeadSeries& series, std::size_t index, const Thresholds& thresholds) {
  std::vector<Alert> out;
  if (series.steps[index].measured()) {
    out = model_drifts_at(series, index, thresholds);
    for (const Rule& rule : rules(thresholds)) judge(series, index, thresholds, rule, out);
    add_dead(series, index, out);
    add_large_logits(series, index, thresholds, out);
    add_failed(series, index, out);
  }
  add_not_finite(series, index, out);
  return out;
}

}  // namespace logitfield
