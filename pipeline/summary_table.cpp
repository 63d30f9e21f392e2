#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

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

std::string row(const std::string& label, const json& group) {
  std::string out = fmt::format("{:>8}", label);
  for (const TableColumn& column : kColumns) {
    const json& statistics = group.at("statistics");
    const bool there = statistics.contains(column.statistic) && statistics.at(column.statistic).contains("median");
    out += there ? fmt::format("{:>11.4g}", statistics.at(column.statistic).at("median").get<double>())
                 : fmt::format("{:>11}", "-");
  }
  return out + "\n";
}

std::string header(const char* label) {
  std::string out = fmt::format("{:>8}", label);
  for (const TableColumn& column : kColumns) out += fmt::format("{:>11}", column.title);
  return out + "\n";
}

/// Seconds of the slowest rank by phase, and the largest peak.
std::string resources(const json& ranks) {
  std::map<std::string, double> seconds;
  double wall = 0, peak = 0;
  for (const json& rank : ranks) {
    for (const auto& [phase, value] : rank.at("seconds").items())
      seconds[phase] = std::max(seconds[phase], value.get<double>());
    wall = std::max(wall, rank.at("wall_seconds").get<double>());
    peak = std::max(peak, rank.at("peak_bytes").get<double>());
  }
  std::string out =
      fmt::format("{:.1f} s on {} rank{}, slowest rank:", wall, ranks.size(), ranks.size() == 1 ? "" : "s");
  for (const auto& [phase, value] : seconds) out += fmt::format(" {} {:.1f} s,", phase, value);
  return out + fmt::format(" peak memory {:.0f} MB\n", peak / 1e6);
}

}  // namespace

std::string summary_table(const json& summary) {
  std::string out;
  for (const json& loss : summary.at("losses")) {
    out +=
        fmt::format("text '{}': next-token loss {:.4f} nats over {} predictions\n", loss.at("text").get<std::string>(),
                    loss.at("loss").get<double>(), loss.at("predictions").get<std::int64_t>());
  }
  const json& contexts = summary.at("contexts");
  out += "\nmedian over heads (and texts), by context\n" + header("context");
  for (const json& context : contexts) {
    out += row(fmt::format("{}", context.at("context").get<std::int64_t>()), context.at("model"));
  }
  const json& longest = contexts.back();
  out += fmt::format("\nby layer, context {}\n", longest.at("context").get<std::int64_t>()) + header("layer");
  for (const json& layer : longest.at("layers"))
    out += row(fmt::format("{}", layer.at("layer").get<std::int64_t>()), layer);

  std::int64_t heads = 0, certified = 0;
  for (const json& context : contexts) {
    heads += context.at("model").at("heads").get<std::int64_t>();
    certified += context.at("model").at("certified").get<std::int64_t>();
  }
  out += fmt::format("\n{} of {} head measurements certified\n", certified, heads);
  if (!summary.at("ranks").empty()) out += resources(summary.at("ranks"));
  return out;
}

}  // namespace logitfield
