#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// Largest share of missing heads with which the median of the others still represents all heads.
inline constexpr double kFewMissing = 0.05;

/// Distribution of some readings: ranges of their quantiles (see quantile()), mean and population standard deviation.
struct Distribution {
  /// Number of defined readings, and of the censored ones among them.
  std::int64_t count = 0, censored = 0;
  /// NaN if a reading is censored.
  double mean = kernels::kUndefined, sd = kernels::kUndefined;
  Reading min, p05, p25, median, p75, p95, max;
};
Distribution distribution(const std::vector<Reading>& readings);
/// Distribution of values; NaNs do not count.
Distribution distribution(const std::vector<double>& values);
/// Median of the finite values; NaN if there are none.
double median(std::vector<double> values);

/// Writes a reading into a JSON object: under `name`, under name_more_than and name_less_than, or not at all. `get`
/// reads it back.
void put(nlohmann::json& object, const std::string& name, const Reading& reading);
Reading get(const nlohmann::json& object, const std::string& name);

/// Content of summary.json: loss per text; share of heads whose certificate holds; times and memory per rank. Per scope
/// and context: the distribution of every statistic over the model's heads and over each layer's, all texts together.
/// Failed heads are left out, and counted by the checks that did not hold. Statistics of a KV head count once per KV
/// head. Where layers have windows: how many measured layers hide keys in the context, and how many keys such a layer
/// shows.
nlohmann::json summarise(const Results& results);

/// The summary for people: a table of medians over heads, a row per context, and the times. At most 100 columns.
std::string summary_table(const nlohmann::json& summary);

}  // namespace logitfield
