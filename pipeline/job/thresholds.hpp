#pragma once
#include <cstdint>

namespace logitfield {

/// When a head of a series is worth a look. All limits are this program's own choice but max_logit, the threshold of
/// Kimi K2's QK-clip: no published ones exist. Definitions: docs/monitor.md.
struct Thresholds {
  /// Half the width of a band, in robust standard deviations.
  double band = 5;
  /// Checkpoints that a head's history reaches back, and how many it needs before it is judged.
  std::int64_t window = 16, history = 8;
  /// Checkpoints in a row that must lie outside.
  std::int64_t confirm = 2;
  /// Entropy and ranks: the share of what they were below which they have collapsed.
  double collapse = 0.25;
  /// How many times more or less than Gaussian heads.
  double chance = 4;
  double max_logit = 100;
};
}  // namespace logitfield
