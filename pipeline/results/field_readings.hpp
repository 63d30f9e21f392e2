#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/results/chance.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Text, layer and query head; for a statistic of a KV head, the KV head.
using HeadPlace = std::array<std::int64_t, 3>;

/// The readings of one statistic over the heads of one field (visit_counted_readings).
struct StatisticReadings {
  StatisticInfo info;
  std::map<HeadPlace, Reading> heads;
  /// With --head-null: the mean of each head's own draws, and the p-value of the head against these draws.
  std::vector<Reading> own_means;
  std::vector<double> own_p_values;

  /// The readings of one text, or of all.
  std::vector<Reading> readings(std::optional<std::int64_t> text = {}) const;
};

/// The readings of every statistic, by its name. Undefined if no head has it.
std::map<std::string, StatisticReadings> field_readings(const Results& results, std::size_t field);

/// Tests the heads against Gaussian heads. Nothing is tested without --null, nor for statistics that may not be tested.
BeyondChance beyond_gaussian_heads(const Results& results, std::size_t field, const StatisticReadings& statistic);

/// A head's p-value against `draws` of one statistic; empty if they may not be compared.
std::optional<double> p_value_of(const StatisticInfo& info, Null null, const Reading& head, const NullDraws& draws);

/// One head against its own draws in one field, for one statistic: an entry of the tables. Testable statistics only, in
/// column order.
struct HeadNullCell {
  StatisticInfo info;
  Reading mean;
  /// NaN if unknown, or if the head failed its certificate.
  double sd = kernels::kUndefined, p = kernels::kUndefined;
};
std::vector<HeadNullCell> head_null_cells(const HeadRecord& head, std::size_t field);

}  // namespace logitfield
