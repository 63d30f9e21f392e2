#pragma once
#include <cstdint>

namespace logitfield {

/// Limits beyond which a head of a series raises an alert. All are this program's own choice, as no published ones
/// exist, except max_logit: the threshold of Kimi K2's QK-clip. Definitions: docs/monitor.md.
struct Thresholds {
  /// Half the width of a band, in robust standard deviations.
  double band = 5;
  /// Checkpoints in the window of a head's history, and the number that a head needs before it is judged.
  std::int64_t window = 16, history = 8;
  /// Number of checkpoints that must lie outside, of the last 2 confirm - 1.
  std::int64_t confirm = 2;
  /// Entropy and ranks have collapsed below this share of their earlier value.
  double collapse = 0.25;
  /// Largest ratio to the value of Gaussian heads, in either direction.
  double chance = 4;
  double max_logit = 100;
};
}  // namespace logitfield
