#include "pipeline/results/model_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "pipeline/results/field_readings.hpp"

namespace logitfield {
namespace {

using kernels::kUndefined;

double text_effect(const Results& r, const StatisticReadings& statistic, const Distribution& heads) {
  if (r.texts.size() < 2) return kUndefined;
  double low = INFINITY, high = -INFINITY;
  for (std::int64_t text = 0; text < std::ssize(r.texts); ++text) {
    const Reading middle = median(statistic.readings(text));
    if (!middle.is_defined()) continue;
    if (!middle.is_known()) return kUndefined;
    low = std::min(low, middle.value());
    high = std::max(high, middle.value());
  }
  const double width = heads.p75.value() - heads.p25.value();
  return high == low ? 0 : width > 0 ? (high - low) / width : kUndefined;
}

double slope_of(const std::vector<std::pair<double, double>>& points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& [context, median] : points) {
    const double u = std::log(context), v = std::log(median);
    ++n, x += u, y += v, xx += u * u, xy += u * v;
  }
  return n < 2 ? kUndefined : (n * xy - x * y) / (n * xx - x * x);
}

/// Slope of one statistic over the contexts in which it was measured.
double context_slope(const std::vector<std::pair<double, const StatisticReadings*>>& contexts) {
  std::map<HeadPlace, std::size_t> times;
  std::size_t measured = 0, most = 0;
  for (const auto& [context, statistic] : contexts) {
    std::size_t here = 0;
    for (const auto& [place, reading] : statistic->heads) {
      if (reading.is_defined()) ++times[place], ++here;
    }
    measured += here > 0;
    most = std::max(most, here);
  }
  std::erase_if(times, [&](const auto& entry) { return entry.second < measured; });
  if (static_cast<double>(times.size()) < (1 - kFewMissing) * static_cast<double>(most)) return kUndefined;
  std::vector<std::pair<double, double>> points;
  for (const auto& [context, statistic] : contexts) {
    std::vector<Reading> readings;
    for (const auto& [place, reading] : statistic->heads) {
      if (times.contains(place)) readings.push_back(reading);
    }
    const Reading middle = median(readings);
    if (!middle.is_defined()) continue;
    if (!(middle.value() > 0)) return kUndefined;  // not known, or without a logarithm
    points.emplace_back(context, middle.value());
  }
  return slope_of(points);
}

std::int64_t failed_heads(const Results& r, std::size_t field) {
  std::int64_t failed = 0;
  for (const auto& [key, layer] : r.layers) {
    for (const HeadRecord& head : layer.heads) failed += !head.fields[field].certificate.certified();
  }
  return failed;
}

}  // namespace

std::size_t field_of(const Results& r, const std::string& scope, std::int64_t context) {
  return r.field(static_cast<std::size_t>(std::ranges::find(r.contexts, context) - r.contexts.begin()),
                 static_cast<std::size_t>(std::ranges::find(r.scopes, scope) - r.scopes.begin()));
}

std::vector<ComparedStatistic> compared_statistics(const std::string& run, const Results& results,
                                                   const std::string& scope) {
  std::vector<std::map<std::string, StatisticReadings>> contexts;
  for (const std::int64_t context : results.contexts)
    contexts.push_back(field_readings(results, field_of(results, scope, context)));
  std::map<std::string, std::vector<std::pair<double, const StatisticReadings*>>> by_name;
  for (std::size_t c = 0; c < contexts.size(); ++c) {
    for (const auto& [name, statistic] : contexts[c]) {
      by_name[name].emplace_back(static_cast<double>(results.contexts[c]), &statistic);
    }
  }
  std::map<std::string, double> slopes;
  for (const auto& [name, measured] : by_name) slopes[name] = context_slope(measured);
  std::vector<ComparedStatistic> out;
  for (std::size_t c = 0; c < contexts.size(); ++c) {
    const std::size_t field = field_of(results, scope, results.contexts[c]);
    const std::int64_t failed = failed_heads(results, field);
    for (const auto& [name, statistic] : contexts[c]) {
      const Distribution heads = distribution(statistic.readings());
      out.push_back({run, name, scope, results.contexts[c], heads, failed,
                     beyond_gaussian_heads(results, field, statistic), beyond_chance(statistic.own_p_values),
                     text_effect(results, statistic, heads), slopes.at(name)});
    }
  }
  return out;
}

}  // namespace logitfield
