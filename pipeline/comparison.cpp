#include "pipeline/comparison.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "io/error.hpp"
#include "pipeline/field_readings.hpp"

namespace logitfield {
namespace {

using kernels::kUndefined;

/// A run with the data that the tables need.
struct Run {
  std::string name;
  Results results;
};

std::vector<Run> load(const std::vector<std::filesystem::path>& folders) {
  std::vector<Run> out;
  std::set<std::string> names;
  for (const std::filesystem::path& folder : folders) {
    Run run{(folder / "").lexically_normal().parent_path().filename().string(),
            load_results(io::open_run_folder(folder))};
    if (run.results.layers.empty()) throw InputError("{}: holds no finished layer; let it run first", folder.string());
    const std::string name = run.name;
    for (int copy = 2; !names.insert(run.name).second; ++copy) run.name = fmt::format("{}-{}", name, copy);
    out.push_back(std::move(run));
  }
  return out;
}

bool has(const Results& r, const std::string& scope, std::int64_t context) {
  return std::ranges::find(r.scopes, scope) != r.scopes.end() &&
         std::ranges::find(r.contexts, context) != r.contexts.end();
}

std::size_t field_of(const Results& r, const std::string& scope, std::int64_t context) {
  return r.field(static_cast<std::size_t>(std::ranges::find(r.contexts, context) - r.contexts.begin()),
                 static_cast<std::size_t>(std::ranges::find(r.scopes, scope) - r.scopes.begin()));
}

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

/// The limits are this program's own, as no published ones exist. All are upper limits.
void add_regularities(const Run& run, const std::string& scope, std::int64_t context, Comparison& out) {
  const auto find = [&](const char* statistic) {
    for (const ComparedStatistic& s : out.statistics) {
      if (s.run == run.name && s.statistic == statistic && s.scope == scope && s.context == context) return s;
    }
    return ComparedStatistic{};
  };
  const auto add = [&](const char* name, const Reading& value, double limit) {
    out.regularities.push_back({run.name, name, value, limit, value.high <= limit});
  };
  const Results& r = run.results;
  const ComparedStatistic k90 = find("k90"), coherence = find("coherence");
  const Reading length = Reading::known(static_cast<double>(context));
  add("heads that failed their certificate", Reading::known(static_cast<double>(r.failed_heads())), 0);
  add("few components: median k90 / rank bound", ratio(k90.heads.median, find("rank_bound").heads.median), 0.5);
  add("energy spread: 95 % of heads, key_max_share", find("key_max_share").heads.p95, 0.1);
  add("keys incoherent: median coherence rank / L",
      ratio(product(coherence.heads.median, find("key_rank").heads.median), length), 0.25);
  if (r.contexts.size() > 1) add("components grow slower than sqrt context", Reading::known(k90.context_slope), 0.5);
  if (r.texts.size() > 1) add("k90 alike over texts: text_effect", Reading::known(k90.text_effect), 0.5);
  for (const NullRecord& null : r.nulls) {
    if (null.field != static_cast<std::int64_t>(field_of(r, scope, context)) || !null.of.statistics.contains("k90"))
      continue;
    add("fewer components than chance: median k90 / chance",
        ratio(k90.heads.median, null.of.statistics.at("k90").mean()), 0.9);
  }
}

}  // namespace

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

Comparison compare_runs(const std::vector<std::filesystem::path>& folders) {
  const std::vector<Run> runs = load(folders);
  Comparison out;
  for (const Run& run : runs) out.runs.push_back(run.name);
  const Results& first = runs.front().results;
  for (const std::string& scope : first.scopes) {
    std::set<std::int64_t> common;
    for (const std::int64_t context : first.contexts) {
      if (std::ranges::all_of(runs, [&](const Run& run) { return has(run.results, scope, context); })) {
        common.insert(context);
        out.fields.emplace_back(scope, context);
      }
    }
    for (const Run& run : runs) {
      if (common.empty()) continue;
      for (ComparedStatistic& row : compared_statistics(run.name, run.results, scope)) {
        if (common.contains(row.context)) out.statistics.push_back(std::move(row));
      }
    }
  }
  if (out.fields.empty()) {
    throw InputError("{}: have no scope and context in common; measure them alike", fmt::join(out.runs, ", "));
  }
  const std::string scope = out.fields.front().first;
  std::int64_t longest = 0;
  for (const auto& [s, context] : out.fields) longest = s == scope ? std::max(longest, context) : longest;
  for (const Run& run : runs) add_regularities(run, scope, longest, out);
  return out;
}

}  // namespace logitfield
