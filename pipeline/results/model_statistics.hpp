#pragma once
#include <array>
#include <string>
#include <vector>

#include "pipeline/results/chance.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {

/// The statistics that pictures and pages show if all would be too many.
inline constexpr std::array kMainStatistics{"k90",           "effective_rank", "stable_rank",       "key_participation",
                                            "key_max_share", "coherence",      "attention_entropy", "sink_first",
                                            "max_logit"};

/// One statistic of one run in one scope and context.
struct ComparedStatistic {
  std::string run, statistic, scope;
  std::int64_t context = 0;
  /// Over certified heads and texts.
  Distribution heads;
  /// Head measurements that failed their certificate, and so are missing from `heads`.
  std::int64_t failed = 0;
  /// Heads that differ from Gaussian ones (--null), and from random draws of themselves (--head-null).
  BeyondChance beyond_chance, beyond_own_chance;
  /// Range of the texts' medians, divided by the width of the middle half of all heads: 0 if the text makes no
  /// difference. NaN for one text, and if one of these is not known.
  double text_effect = kernels::kUndefined;
  /// Slope of ln median against ln context over all contexts of the run, of the heads that have the statistic in each.
  /// NaN for one context, if a median is not known, or if more than kFewMissing of the heads have it in some
  /// contexts only.
  double context_slope = kernels::kUndefined;
};

/// Every statistic of one run and scope, over all its contexts.
std::vector<ComparedStatistic> compared_statistics(const std::string& run, const Results& results,
                                                   const std::string& scope);

/// Index of a field that the run has.
std::size_t field_of(const Results& r, const std::string& scope, std::int64_t context);

}  // namespace logitfield
