#include "pipeline/compare/comparison.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "io/error.hpp"
#include "io/printable.hpp"
#include "pipeline/results/field_readings.hpp"

namespace logitfield {
namespace {

/// A run: its name in the tables, and its results.
struct Run {
  std::string name;
  Results results;
};

std::vector<Run> load(const std::vector<std::filesystem::path>& folders) {
  std::vector<Run> out;
  std::set<std::string> names;
  for (const std::filesystem::path& folder : folders) {
    Run run{io::printable_line((folder / "").lexically_normal().parent_path().filename().string()),
            load_results(io::open_run_folder(folder))};
    if (run.results.layers.empty())
      throw InputError("{}: holds no finished layer; continue with --resume", folder.string());
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

/// Upper limits, chosen by this program: no published ones exist.
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
  add("few components: median k90 / median rank bound", ratio(k90.heads.median, find("rank_bound").heads.median), 0.5);
  add("energy spread: 95th percentile of key_max_share", find("key_max_share").heads.p95, 0.1);
  add("keys incoherent: median coherence x key rank / L",
      ratio(product(coherence.heads.median, find("key_rank").heads.median), length), 0.25);
  if (r.contexts.size() > 1) add("components grow slower than sqrt context", Reading::known(k90.context_slope), 0.5);
  if (r.texts.size() > 1) add("k90 alike over texts: text_effect", Reading::known(k90.text_effect), 0.5);
  const NullDraws* null = r.null_of(field_of(r, scope, context));
  if (null && null->statistics.contains("k90")) {
    add("fewer components than chance: median k90 / chance", ratio(k90.heads.median, null->statistics.at("k90").mean()),
        0.9);
  }
}

}  // namespace

const char* where_it_holds(std::size_t measured, const Comparison& comparison) {
  return measured == comparison.runs.size() ? "holds in every run" : "holds in every run that measured it";
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
    throw InputError("{}: have no scope and context in common; measure them with the same --scopes and --contexts",
                     fmt::join(out.runs, ", "));
  }
  const std::string scope = out.fields.front().first;
  std::int64_t longest = 0;
  for (const auto& [s, context] : out.fields) longest = s == scope ? std::max(longest, context) : longest;
  for (const Run& run : runs) add_regularities(run, scope, longest, out);
  return out;
}

}  // namespace logitfield
