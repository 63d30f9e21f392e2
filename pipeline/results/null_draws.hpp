#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/results/reading.hpp"

namespace logitfield {

/// What the draws of a null gave for one statistic.
struct NullStatistic {
  /// A reading a draw, those of which nothing is known left out.
  std::vector<Reading> draws;
  /// Of records that kept no draws: mean and standard deviation as they were written.
  double old_mean = kernels::kUndefined, old_sd = kernels::kUndefined;

  Reading mean() const;
  /// Of the sample (n - 1); NaN of fewer than two draws, and where one is censored.
  double sd() const;
};

/// Heads drawn at random, measured as the model's are.
struct NullDraws {
  /// Those that were certified, which the statistics are of; and those that failed, which count for nothing.
  std::int64_t draws = 0, failed = 0;
  /// By the names of the schema, certificates left out.
  std::map<std::string, NullStatistic> statistics;

  /// Counts one more.
  void add(const kernels::HeadStatistics& draw);
};

}  // namespace logitfield
