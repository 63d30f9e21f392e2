#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/results/chance.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Text, layer, and query head; KV head of what belongs to one.
using HeadPlace = std::array<std::int64_t, 3>;

/// What the heads of one field say of one statistic (visit_counted_readings).
struct StatisticReadings {
  StatisticInfo info;
  std::map<HeadPlace, Reading> heads;
  /// With --head-null: what draws from a head give on average, and the p-values of the heads against their own draws.
  std::vector<Reading> own_means;
  std::vector<double> own_p_values;

  /// Of all texts, or of one.
  std::vector<Reading> readings(std::optional<std::int64_t> text = {}) const;
};

/// By name. Where no head has a statistic, the readings are undefined.
std::map<std::string, StatisticReadings> field_readings(const Results& results, std::size_t field);

/// The heads against Gaussian ones; nothing tested without --null, and of statistics that may not be.
BeyondChance beyond_gaussian_heads(const Results& results, std::size_t field, const StatisticReadings& statistic);

/// A head's p-value against `draws` of one statistic; nothing where the two may not be held against each other.
std::optional<double> p_value_of(const StatisticInfo& info, Null null, const Reading& head, const NullDraws& draws);

/// What tables say of a head against its own draws in one field, by testable statistic, in column order.
struct HeadNullCell {
  StatisticInfo info;
  Reading mean;
  /// NaN where they are not known, or the head failed its certificate.
  double sd = kernels::kUndefined, p = kernels::kUndefined;
};
std::vector<HeadNullCell> head_null_cells(const HeadRecord& head, std::size_t field);

}  // namespace logitfield
