#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/results/reading.hpp"
#include "pipeline/results/results.hpp"

namespace logitfield {

/// A share of heads so small that the median of the others stands for all.
inline constexpr double kFewMissing = 0.05;

/// Over some readings: what is known of their quantiles (see quantile()), and mean and standard deviation (of the
/// population).
struct Distribution {
  /// Readings of which something is known, and those among them that are only known to be more or less than a bound.
  std::int64_t count = 0, censored = 0;
  /// NaN where one is censored.
  double mean = kernels::kUndefined, sd = kernels::kUndefined;
  Reading min, p05, p25, median, p75, p95, max;
};
Distribution distribution(const std::vector<Reading>& readings);
/// NaNs are no readings.
Distribution distribution(const std::vector<double>& values);
/// Of the finite values; NaN where there are none.
double median(std::vector<double> values);

/// What is known of a number, in an object of JSON: under `name`, or under name_more_than and name_less_than, or not at
/// all. And back.
void put(nlohmann::json& object, const std::string& name, const Reading& reading);
Reading get(const nlohmann::json& object, const std::string& name);

/// summary.json: loss per text; per scope and context the distribution of every statistic over the model's heads and
/// over each layer's, all texts together; share of heads whose certificate holds. Heads that failed are counted, by the
/// checks that did not hold, and left out; statistics of a KV head count once per KV head. Where layers have
/// windows, how many of those measured hide keys in the context, and how many keys such a layer shows. Times and memory
/// per rank.
nlohmann::json summarise(const Results& results);

/// The same for people: a table of medians over heads, a row per context, and where the time went. At most 100 columns.
std::string summary_table(const nlohmann::json& summary);

}  // namespace logitfield
