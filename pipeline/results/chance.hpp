#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/schema.hpp"

namespace logitfield {

/// What heads are held against (docs/statistics.md, "What chance gives").
enum class Null {
  gaussian,  // standard normal queries and keys: as many tokens and dimensions, nothing else of the head
  own,       // drawn from the head itself: its scale, mask, slopes, cap and second moments
};

/// Of the heads that are said to be beyond chance, at most this share is expected to be so by chance.
inline constexpr double kFalseDiscoveryRate = 0.05;
/// One draw does not say how far draws scatter.
inline constexpr std::size_t kFewestDraws = 2;

/// Whether a statistic may be held against a null. Positions, bounds and residuals never; what is in proportion to the
/// logits, or follows from their size, only against heads of the same scale.
bool is_testable(const StatisticInfo& info, Null null);
/// The same by name; false for one that does not exist.
bool is_testable(std::string_view statistic, Null null);

/// The smallest difference of a statistic that says anything: 1 of counts; of others that part of the value by which
/// two routes of the program may differ (the bound of dense_difference).
double resolution_of(const StatisticInfo& info, double value);

/// Two-sided p-value of a head whose statistic and `draws` of the null are exchangeable. Among the draws it is by rank,
/// whatever the distribution. Beyond them it falls as for exponential tails, whose scale the outer half of the draws
/// tells: right for these, too large for lighter ones. Differences of `resolution` or less are none. What is censored
/// counts as whatever speaks least against chance; a censored draw leaves ranks only. 1 for fewer than two draws.
double chance_p_value(const Reading& head, const std::vector<Reading>& draws, double resolution);

/// How many heads lie beyond chance at kFalseDiscoveryRate (Benjamini & Hochberg 1995).
struct BeyondChance {
  /// Heads that were tested.
  std::int64_t heads = 0, beyond = 0;
  /// NaN where none was.
  double share() const {
    return heads == 0 ? kernels::kUndefined : static_cast<double>(beyond) / static_cast<double>(heads);
  }
};
BeyondChance beyond_chance(std::vector<double> p_values);

}  // namespace logitfield
