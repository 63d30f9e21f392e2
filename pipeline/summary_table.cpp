#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "kernels/statistics.hpp"
#include "pipeline/summary.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

struct TableColumn {
  const char *title, *statistic;
};
constexpr std::array<TableColumn, 8> kColumns{{{"k90", "k90"},
                                               {"eff.rank", "effective_rank"},
                                               {"stab.rank", "stable_rank"},
                                               {"key part.", "key_participation"},
                                               {"coherence", "coherence"},
                                               {"key first", "key_first_share"},
                                               {"att.nats", "attention_entropy"},
                                               {"sink", "sink_first"}}};

/// `measure`: "median" of heads, "mean" of Gaussian heads.
std::string row(const std::string& label, const json& group, const char* measure) {
  std::string out = fmt::format("{:>8}", label);
  for (const TableColumn& column : kColumns) {
    const json& statistics = group.at("statistics");
    const bool there = statistics.contains(column.statistic) && statistics.at(column.statistic).contains(measure);
    out += there ? fmt::format("{:>11.4g}", statistics.at(column.statistic).at(measure).get<double>())
                 : fmt::format("{:>11}", "-");
  }
  return out + "\n";
}

/// A name that leaves room on its line; cut between characters.
std::string shortened(const std::string& name) {
  constexpr std::size_t kMost = 40;
  return name.size() <= kMost ? name : fmt::format("{:.37}...", name);
}

std::string header(const char* label) {
  std::string out = fmt::format("{:>8}", label);
  for (const TableColumn& column : kColumns) out += fmt::format("{:>11}", column.title);
  return out + "\n";
}

/// What the weights alone allow, beside what the longest context of a scope uses; empty without weights.
std::string learned_line(const json& field) {
  const json& statistics = field.at("model").at("statistics");
  if (!statistics.contains("learned_k90") || !statistics.contains("spectral_gap")) return {};
  const auto median = [&](const char* name) { return statistics.at(name).value("median", kernels::kUndefined); };
  std::string chance;
  if (field.contains("null") && field.at("null").at("statistics").contains("learned_k90")) {
    chance =
        fmt::format(" (chance {:.4g})", field.at("null").at("statistics").at("learned_k90").at("mean").get<double>());
  }
  return fmt::format("\nW_Q^T W_K: median k90 {:.4g}{}, {:.3g} times that of the {} field at {} tokens\n",
                     median("learned_k90"), chance, median("spectral_gap"), field.at("scope").get<std::string>(),
                     field.at("context").get<std::int64_t>());
}

/// Of the last session: seconds of the slowest rank by phase, and the largest peak.
std::string resources(const json& ranks) {
  std::map<std::string, double> seconds;
  double wall = 0, peak = 0;
  const std::int64_t session = ranks.back().at("session");
  std::int64_t count = 0;
  for (const json& rank : ranks) {
    if (rank.at("session") != session) continue;
    ++count;
    for (const auto& [phase, value] : rank.at("seconds").items())
      seconds[phase] = std::max(seconds[phase], value.get<double>());
    wall = std::max(wall, rank.at("wall_seconds").get<double>());
    peak = std::max(peak, rank.at("peak_bytes").get<double>());
  }
  std::string out = fmt::format("{}{:.1f} s on {} rank{}, peak memory {:.0f} MB; slowest rank, seconds:\n ",
                                session > 0 ? fmt::format("session {}: ", session + 1) : "", wall, count,
                                count == 1 ? "" : "s", peak / 1e6);
  for (const auto& [phase, value] : seconds) out += fmt::format(" {} {:.1f}", phase, value);
  return out + "\n";
}

}  // namespace

std::string summary_table(const json& summary) {
  std::string out;
  for (const json& loss : summary.at("losses")) {
    out += fmt::format("text '{}': next-token loss {:.4f} nats over {} predictions\n",
                       shortened(loss.at("text").get<std::string>()), loss.at("loss").get<double>(),
                       loss.at("predictions").get<std::int64_t>());
  }
  const json& fields = summary.at("fields");
  for (std::size_t first = 0; first < fields.size();) {
    const std::string scope = fields[first].at("scope");
    out += fmt::format("\n{}: median over heads (and texts), by context\n", scope) + header("context");
    std::size_t last = first;
    for (; last < fields.size() && fields[last].at("scope") == scope; ++last) {
      out += row(fmt::format("{}", fields[last].at("context").get<std::int64_t>()), fields[last].at("model"), "median");
      if (fields[last].contains("null")) out += row("chance", fields[last].at("null"), "mean");
    }
    const json& longest = fields[last - 1];
    out += fmt::format("\n{}: by layer, context {}\n", scope, longest.at("context").get<std::int64_t>());
    out += header("layer");
    for (const json& layer : longest.at("layers")) {
      out += row(fmt::format("{}", layer.at("layer").get<std::int64_t>()), layer, "median");
    }
    out += learned_line(longest);
    first = last;
  }

  std::int64_t heads = 0, certified = 0;
  for (const json& field : fields) {
    heads += field.at("model").at("heads").get<std::int64_t>();
    certified += field.at("model").at("certified").get<std::int64_t>();
  }
  out += fmt::format("\n{} of {} head measurements certified\n", certified, heads);
  if (!summary.at("ranks").empty()) out += resources(summary.at("ranks"));
  return out;
}

}  // namespace logitfield
