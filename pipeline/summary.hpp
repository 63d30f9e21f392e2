#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/results.hpp"

namespace logitfield {

/// Mean, standard deviation (of the population) and quantiles (linear between order statistics) of finite values.
struct Distribution {
  std::int64_t count = 0;
  double mean = 0, sd = 0;
  double min = 0, p05 = 0, p25 = 0, median = 0, p75 = 0, p95 = 0, max = 0;
};
Distribution distribution(std::vector<double> values);
/// Of the finite values; NaN where there are none.
double median(std::vector<double> values);

/// summary.json: loss per text; per scope and context the distribution of every statistic over the model's heads and
/// over each layer's, all texts together; share of heads whose certificate holds. Heads that failed are counted and
/// left out; statistics of a KV head count once per KV head. Times and memory per rank.
nlohmann::json summarise(const Results& results);

/// The same for people: a table of medians over heads, a row per context, and where the time went. At most 100 columns.
std::string summary_table(const nlohmann::json& summary);

}  // namespace logitfield
