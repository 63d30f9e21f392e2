#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/results/chance.hpp"
#include "pipeline/results/model_statistics.hpp"
#include "pipeline/results/results.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {

/// A property expected of a trained model, and whether a run has it. This program chose the limits.
struct Regularity {
  std::string run, name;
  Reading value;
  double limit = 0;
  /// Whether value <= limit; false if that cannot be decided.
  bool holds = false;
  /// Whether value > limit; false if that cannot be decided.
  bool fails() const { return value.low > limit; }
};

/// Several runs, compared with each other.
struct Comparison {
  std::vector<std::string> runs;
  /// Scopes and contexts that all runs have measured.
  std::vector<std::pair<std::string, std::int64_t>> fields;
  std::vector<ComparedStatistic> statistics;
  /// The regularities, in the longest common context of the first common scope.
  std::vector<Regularity> regularities;

  /// Null if a run does not have this statistic.
  const ComparedStatistic* find(const std::string& run, const std::string& statistic,
                                const std::pair<std::string, std::int64_t>& field) const;
};

/// The names of the regularities, each with its entries of all runs, in the runs' order.
std::vector<std::pair<std::string, std::vector<const Regularity*>>> by_name(const Comparison& comparison);

/// The verdict on a regularity that holds in all `measured` runs that have its value.
const char* where_it_holds(std::size_t measured, const Comparison& comparison);

/// Throws InputError for runs without a common scope and context.
Comparison compare_runs(const std::vector<std::filesystem::path>& runs);

/// Tables of at most 100 columns: medians and middle halves side by side, and which regularities hold in which run.
std::string comparison_table(const Comparison& comparison);
/// The text of comparison.html.
std::string comparison_page(const Comparison& comparison);
/// Writes comparison.csv, regularities.csv, comparison.nc and comparison.html into a folder, which is created if
/// missing.
void write_comparison(const Comparison& comparison, const std::filesystem::path& folder);

}  // namespace logitfield
