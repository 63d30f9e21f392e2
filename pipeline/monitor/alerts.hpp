#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/job/thresholds.hpp"
#include "pipeline/monitor/head_series.hpp"

namespace logitfield {

/// `kLeastFall`: a smaller fall of the attention entropy, in nats, does not count as a collapse. `kLeastEntropy`:
/// smaller entropies count as this one.
inline constexpr double kLeastFall = 0.1, kLeastEntropy = 1e-6;
/// Fewer heads than these are not compared with each other.
inline constexpr std::size_t kFewestPeers = 6;

/// Why an alert was raised; docs/monitor.md defines each.
enum class AlertKind {
  jump,
  drift,
  chance,
  entropy_collapse,
  rank_collapse,
  max_logit,
  not_finite,
  certificate,
  dead,
  model_drift
};
inline constexpr std::size_t kAlertKinds = 10;
/// "jump", "drift", ...
std::string_view alert_name(AlertKind kind);

/// One alert, for a head or for the model, at one step.
struct Alert {
  std::int64_t step = 0;
  /// -1: no layer, or no head, in particular.
  std::int64_t layer = -1, head = -1;
  AlertKind kind = AlertKind::jump;
  std::string statistic;
  /// The value and the ends of its expected range; NaN if the range has no such end.
  double value = 0, low = 0, high = 0;
  /// The reason, for people.
  std::string detail;
};

/// The alerts that begin at step number `index` of the series; later steps do not change them. An alert begins where
/// its condition holds and did not hold when it could last be judged. For a statistic of a KV head the alert names the
/// first query head.
std::vector<Alert> alerts_at(const HeadSeries& series, std::size_t index, const Thresholds& thresholds);

}  // namespace logitfield
