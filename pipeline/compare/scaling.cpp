#include "pipeline/compare/scaling.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "io/csv.hpp"
#include "io/error.hpp"
#include "io/printable.hpp"
#include "pipeline/results/phase_clock.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

double busy_seconds(const RankRecord& rank) {
  double busy = 0;
  for (const auto& [phase, seconds] : rank.seconds) {
    if (phase == "read" || phase == "forward" || phase == "field") busy += seconds;
  }
  return busy;
}

/// What a run measured, under names for people. A text that occurs several times counts once.
std::map<std::string, json> work_of(const json& manifest) {
  const auto value = [&](const char* key) { return manifest.value(key, json(nullptr)); };
  std::set<json> texts;
  for (const json& text : manifest.at("texts")) texts.insert(text.value("hash_of_used", json(nullptr)));
  return {{"the model", manifest.at("model").at("hash")},
          {"the texts", texts},
          {"--contexts", value("contexts")},
          {"--scopes", value("scopes")},
          {"--layers", value("layers")},
          {"--precision", value("precision")}};
}

void require_same_work(const ScalingPoint& a, const ScalingPoint& b) {
  std::vector<std::string> differences;
  for (const auto& [name, value] : a.work) {
    if (b.work.at(name) != value) differences.push_back(name);
  }
  if (differences.empty()) return;
  throw InputError("{} and {} differ in {}: times can be compared only for runs that measure the same", a.run, b.run,
                   fmt::join(differences, ", "));
}

}  // namespace

ScalingPoint scaling_point(const std::filesystem::path& run, const Results& results) {
  if (!results.complete()) throw InputError("{}: is not complete; continue with --resume", run.string());
  if (results.sessions.size() != 1 || results.ranks.empty()) {
    throw InputError("{}: took {} sessions, so its time cannot be compared; run it again in one session", run.string(),
                     results.sessions.size());
  }
  const SessionRecord& session = results.sessions.front();
  const std::set<std::string> hosts(session.hosts.begin(), session.hosts.end());
  ScalingPoint out;
  out.run = io::printable_line(run.lexically_normal().string());
  out.work = work_of(results.manifest);
  out.cluster = session.cluster.empty() ? session.hosts.front() : session.cluster;
  out.grid = session.grid;
  out.ranks = std::ssize(results.ranks);
  out.hosts = std::ssize(hosts);
  out.flops = session.flops;
  out.seconds.assign(kPhaseNames.size(), 0);
  double busiest = 0, total = 0;
  for (const RankRecord& rank : results.ranks) {
    out.wall_seconds = std::max(out.wall_seconds, rank.wall_seconds);
    for (std::size_t p = 0; p < kPhaseNames.size(); ++p) {
      out.seconds[p] += rank.seconds.at(p).second / static_cast<double>(out.ranks);
    }
    out.other_seconds += rank.other_seconds() / static_cast<double>(out.ranks);
    busiest = std::max(busiest, busy_seconds(rank));
    total += busy_seconds(rank);
  }
  out.imbalance = busiest * static_cast<double>(out.ranks) / total;
  return out;
}

void relate(std::vector<ScalingPoint>& points) {
  const auto key = [](const ScalingPoint& p) { return std::tie(p.cluster, p.ranks, p.run); };
  std::ranges::sort(points, [&](const ScalingPoint& a, const ScalingPoint& b) { return key(a) < key(b); });
  for (const ScalingPoint& p : points) require_same_work(points.front(), p);
  const ScalingPoint* first = nullptr;
  for (ScalingPoint& p : points) {
    if (!first || first->cluster != p.cluster) first = &p;
    p.speedup = (p.flops / p.wall_seconds) / (first->flops / first->wall_seconds);
    p.efficiency = p.speedup * static_cast<double>(first->ranks) / static_cast<double>(p.ranks);
  }
}

std::string scaling_table(const std::vector<ScalingPoint>& points) {
  std::string out = fmt::format("{:<12} {:>5} {:>6} {:>9} {:>8} {:>6} {:>6}", "cluster", "ranks", "grid", "seconds",
                                "speed-up", "effic.", "imbal.");
  for (const std::string_view phase : kPhaseNames) out += fmt::format(" {:>6.6}", phase);
  out += "  other\n";
  for (const ScalingPoint& p : points) {
    out += fmt::format("{:<12.12} {:>5} {:>6} {:>9.4g} {:>8.3g} {:>6.2f} {:>6.2f}", p.cluster, p.ranks, p.grid,
                       p.wall_seconds, p.speedup, p.efficiency, p.imbalance);
    for (const double seconds : p.seconds) out += fmt::format(" {:>5.0f}%", 100 * seconds / p.wall_seconds);
    out += fmt::format(" {:>5.0f}%\n", 100 * p.other_seconds / p.wall_seconds);
  }
  return out +
         "speed-up: flops per second relative to the cluster's run on the fewest ranks; phases: share of the ranks' "
         "time\n";
}

void write_scaling_csv(const std::vector<ScalingPoint>& points, const std::filesystem::path& path) {
  std::vector<std::string> names{"run",   "cluster",      "grid",    "ranks",      "hosts",
                                 "flops", "wall_seconds", "speedup", "efficiency", "imbalance"};
  for (const std::string_view phase : kPhaseNames) names.push_back(std::string(phase) + "_seconds");
  names.emplace_back("other_seconds");
  io::write_csv(path, names, points.size(), [&](std::size_t i) {
    const ScalingPoint& p = points[i];
    std::vector<std::string> row{p.run, p.cluster, p.grid};
    for (const std::int64_t count : {p.ranks, p.hosts}) row.push_back(fmt::format("{}", count));
    for (const double value : {p.flops, p.wall_seconds, p.speedup, p.efficiency, p.imbalance}) {
      row.push_back(fmt::format("{}", value));
    }
    for (const double seconds : p.seconds) row.push_back(fmt::format("{}", seconds));
    row.push_back(fmt::format("{}", p.other_seconds));
    return row;
  });
}

}  // namespace logitfield
