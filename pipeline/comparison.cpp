#include "pipeline/comparison.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "io/error.hpp"
#include "pipeline/schema.hpp"

namespace logitfield {
namespace {

using kernels::HeadStatistics;
using kernels::kUndefined;

/// A run with what the tables need of it.
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

/// Values of every statistic by text, of certified heads; those of KV heads once for each.
using ByText = std::map<std::string, std::vector<std::vector<double>>>;
ByText collect(const Results& r, std::size_t field) {
  ByText out;
  const std::int64_t group = r.num_heads / r.num_kv_heads;
  for (const auto& [key, layer] : r.layers) {
    for (const HeadRecord& head : layer.heads) {
      const HeadStatistics& s = head.fields[field];
      if (!s.certificate.certified()) continue;
      visit_statistics(s, [&, text = layer.text](const StatisticInfo& info, const auto& value) {
        if (info.kind == Kind::certificate || (info.kind == Kind::kv_head && head.head % group != 0)) return;
        auto& texts = out[std::string(info.name)];
        texts.resize(r.texts.size());
        if (is_defined(value)) texts[text].push_back(static_cast<double>(value));
      });
    }
  }
  return out;
}

std::vector<double> all_of(const std::vector<std::vector<double>>& texts) {
  std::vector<double> out;
  for (const auto& text : texts) out.insert(out.end(), text.begin(), text.end());
  return out;
}

double beyond_chance(const Results& r, std::size_t field, const std::string& statistic,
                     const std::vector<double>& values) {
  for (const NullRecord& null : r.nulls) {
    const auto found = null.statistics.find(statistic);
    if (null.field != static_cast<std::int64_t>(field) || found == null.statistics.end() || values.empty()) continue;
    const auto far = std::ranges::count_if(values, [mean = found->second.first, sd = found->second.second](double v) {
      return std::abs(v - mean) > 3 * sd;
    });
    return static_cast<double>(far) / static_cast<double>(values.size());
  }
  return kUndefined;
}

double text_effect(const std::vector<std::vector<double>>& texts, const Distribution& heads) {
  if (texts.size() < 2) return kUndefined;
  double low = INFINITY, high = -INFINITY;
  for (const auto& text : texts) {
    const Distribution d = distribution(text);
    if (d.count == 0) continue;
    low = std::min(low, d.median);
    high = std::max(high, d.median);
  }
  const double width = heads.p75 - heads.p25;
  return high == low ? 0 : width > 0 ? (high - low) / width : kUndefined;
}

double slope_of(const std::vector<std::pair<double, double>>& points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& [context, median] : points) {
    if (!(median > 0)) continue;
    const double u = std::log(context), v = std::log(median);
    ++n, x += u, y += v, xx += u * u, xy += u * v;
  }
  return n < 2 ? kUndefined : (n * xy - x * y) / (n * xx - x * x);
}

/// Limits are ours: no published ones exist. All are upper limits.
void add_regularities(const Run& run, const std::string& scope, std::int64_t context, Comparison& out) {
  const auto find = [&](const char* statistic) {
    for (const ComparedStatistic& s : out.statistics) {
      if (s.run == run.name && s.statistic == statistic && s.scope == scope && s.context == context) return s;
    }
    ComparedStatistic none;
    none.heads.median = none.heads.p95 = none.text_effect = none.context_slope = kUndefined;
    return none;
  };
  const auto add = [&](const char* name, double value, double limit) {
    out.regularities.push_back({run.name, name, value, limit, value <= limit});
  };
  const Results& r = run.results;
  const ComparedStatistic k90 = find("k90"), coherence = find("coherence");
  const double length = static_cast<double>(context);
  add("heads that failed their certificate", static_cast<double>(r.failed_heads()), 0);
  add("few components: median k90 / rank bound", k90.heads.median / find("rank_bound").heads.median, 0.5);
  add("energy spread: 95 % of heads, key_max_share", find("key_max_share").heads.p95, 0.1);
  add("keys incoherent: median coherence rank / L", coherence.heads.median * find("key_rank").heads.median / length,
      0.25);
  if (r.contexts.size() > 1) add("components grow slower than sqrt context", k90.context_slope, 0.5);
  if (r.texts.size() > 1) add("k90 alike over texts: text_effect", k90.text_effect, 0.5);
  for (const NullRecord& null : r.nulls) {
    if (null.field != static_cast<std::int64_t>(field_of(r, scope, context)) || !null.statistics.contains("k90"))
      continue;
    add("fewer components than chance: median k90 / chance", k90.heads.median / null.statistics.at("k90").first, 0.9);
  }
}

}  // namespace

std::vector<ComparedStatistic> compared_statistics(const std::string& run, const Results& results,
                                                   const std::string& scope) {
  std::map<std::string, std::vector<std::pair<double, double>>> medians;
  std::vector<ComparedStatistic> out;
  for (const std::int64_t context : results.contexts) {
    const std::size_t field = field_of(results, scope, context);
    for (const auto& [statistic, texts] : collect(results, field)) {
      const std::vector<double> values = all_of(texts);
      const Distribution heads = distribution(values);
      medians[statistic].emplace_back(static_cast<double>(context), heads.median);
      out.push_back({run, statistic, scope, context, heads, beyond_chance(results, field, statistic, values),
                     text_effect(texts, heads), 0});
    }
  }
  for (ComparedStatistic& row : out) row.context_slope = slope_of(medians[row.statistic]);
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
