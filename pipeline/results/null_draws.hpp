#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/results/reading.hpp"

namespace logitfield {

/// The draws of a null for one statistic.
struct NullStatistic {
  /// One reading per draw; draws of which nothing is known are left out.
  std::vector<Reading> draws;
  /// From records without draws: mean and standard deviation as they were written.
  double old_mean = kernels::kUndefined, old_sd = kernels::kUndefined;

  Reading mean() const;
  /// Sample standard deviation (n - 1). NaN for fewer than two draws, or if one is censored.
  double sd() const;
};

/// Heads drawn at random, measured in the same way as the model's.
struct NullDraws {
  /// `draws`: the certified ones, from which the statistics come. `failed`: the others, which are ignored.
  std::int64_t draws = 0, failed = 0;
  /// The draws by statistic (names of the schema), without certificates.
  std::map<std::string, NullStatistic> statistics;

  /// Adds one draw.
  void add(const kernels::HeadStatistics& draw);
};

}  // namespace logitfield
