#pragma once
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/chance.hpp"
#include "pipeline/results.hpp"
#include "pipeline/summary.hpp"

namespace logitfield {

/// The statistics that pictures and pages show where all of them would be too many.
inline constexpr std::array kMainStatistics{"k90",           "effective_rank", "stable_rank",       "key_participation",
                                            "key_max_share", "coherence",      "attention_entropy", "sink_first",
                                            "max_logit"};

/// One statistic of one run in one scope and context.
struct ComparedStatistic {
  std::string run, statistic, scope;
  std::int64_t context = 0;
  /// Distribution over certified heads and texts.
  Distribution heads;
  /// Head measurements that failed their certificate, and so are missing from `heads`.
  std::int64_t failed = 0;
  /// Heads beyond chance: against Gaussian heads (--null), and against draws from themselves (--head-null).
  BeyondChance beyond_chance, beyond_own_chance;
  /// Distance between the texts' medians, in widths of the middle half of all heads; 0 where the text makes no
  /// difference. NaN for one text, and where a median or a quartile is not known.
  double text_effect = kernels::kUndefined;
  /// Slope of ln median against ln context over all contexts of the run, from heads that have the statistic in each of
  /// them. NaN for one context, where a median is not known, and where more than kFewMissing of the heads have it only
  /// in some contexts.
  double context_slope = kernels::kUndefined;
};

/// One regularity expected of a trained model, and whether a run shows it. The limits are this program's own.
struct Regularity {
  std::string run, name;
  Reading value;
  double limit = 0;
  /// value <= limit; false where this cannot be decided.
  bool holds = false;
};

/// Several runs, compared with each other.
struct Comparison {
  std::vector<std::string> runs;
  /// Scopes and contexts that all runs have measured.
  std::vector<std::pair<std::string, std::int64_t>> fields;
  std::vector<ComparedStatistic> statistics;
  /// In the longest common context of the first common scope.
  std::vector<Regularity> regularities;

  /// Null where a run does not have this statistic.
  const ComparedStatistic* find(const std::string& run, const std::string& statistic,
                                const std::pair<std::string, std::int64_t>& field) const;
};

/// The names of the regularities, each with its entries of all runs, in the runs' order.
std::vector<std::pair<std::string, std::vector<const Regularity*>>> by_name(const Comparison& comparison);

/// Every statistic of one run and scope, over all its contexts.
std::vector<ComparedStatistic> compared_statistics(const std::string& run, const Results& results,
                                                   const std::string& scope);

/// Compares run folders. Throws InputError where they have no scope and context in common.
Comparison compare_runs(const std::vector<std::filesystem::path>& runs);

/// Tables of at most 100 columns: medians and middle halves side by side, and which regularities hold in which run.
std::string comparison_table(const Comparison& comparison);
/// The text of comparison.html.
std::string comparison_page(const Comparison& comparison);
/// Writes comparison.csv, regularities.csv, comparison.nc and comparison.html into a folder, which is created if
/// missing.
void write_comparison(const Comparison& comparison, const std::filesystem::path& folder);

}  // namespace logitfield
