#pragma once
#include <cstdint>
#include <vector>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/schema.hpp"

namespace logitfield {

/// The null that heads are compared with (docs/statistics.md, "What chance gives").
enum class Null {
  gaussian,  // standard normal queries and keys of the head's length, dimension, scale and cap
  own,       // drawn from the head itself: keeps its scale, mask, slopes, cap and second moments
};

/// False discovery rate: among the heads reported beyond chance, at most this share is expected to be there by chance.
inline constexpr double kFalseDiscoveryRate = 0.05;
/// The fewest draws for a test: one draw does not show how far draws scatter.
inline constexpr std::size_t kFewestDraws = 2;

/// Whether a statistic may be tested against a null. Positions, bounds and residuals may never be. Statistics that
/// depend on the size of the logits may be tested only against heads of the same scale.
bool is_testable(const StatisticInfo& info, Null null);
/// Looks the statistic up by its name; false for an unknown name.
bool is_testable(std::string_view statistic, Null null);

/// The smallest meaningful difference of a statistic. For counts: 1. For others: the relative difference that two
/// routes of the program may show (the bound of dense_difference), times the value.
double resolution_of(const StatisticInfo& info, double value);

/// Two-sided p-value of a head, given that its statistic and the `draws` of the null are exchangeable. Among the draws
/// the p-value follows from the rank, whatever the distribution. Beyond them it falls as for an exponential tail, whose
/// scale comes from the outer half of the draws: right for such tails, too large for lighter ones. Differences up to
/// `resolution` do not count. A censored value counts as the value that speaks least against chance; with a censored
/// draw only ranks are used. 1 for fewer than two draws.
double chance_p_value(const Reading& head, const std::vector<Reading>& draws, double resolution);

/// Number of heads beyond chance at kFalseDiscoveryRate (Benjamini & Hochberg 1995).
struct BeyondChance {
  /// Tested heads, and those of them beyond chance.
  std::int64_t heads = 0, beyond = 0;
  /// NaN if no head was tested.
  double share() const {
    return heads == 0 ? kernels::kUndefined : static_cast<double>(beyond) / static_cast<double>(heads);
  }
};
BeyondChance beyond_chance(std::vector<double> p_values);

}  // namespace logitfield
