#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "kernels/statistics.hpp"
#include "pipeline/results/chance.hpp"
#include "pipeline/results/phase_clock.hpp"
#include "pipeline/results/summary.hpp"

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

/// The reading of one `measure` of a statistic: "median" over heads, or "mean" over draws of a null.
Reading known_of(const json& group, const char* statistic, const char* measure) {
  const json& statistics = group.at("statistics");
  return statistics.contains(statistic) ? get(statistics.at(statistic), measure) : Reading{};
}

std::string row(const std::string& label, const json& group, const char* measure) {
  std::string out = fmt::format("{:>10}", label);
  for (const TableColumn& column : kColumns) {
    out += fmt::format("{:>11}", text_of(known_of(group, column.statistic, measure)));
  }
  return out + "\n";
}

/// Values of Gaussian heads, for statistics that may be compared with them.
std::string chance_row(const json& null) {
  std::string out = fmt::format("{:>10}", "chance");
  for (const TableColumn& column : kColumns) {
    const bool tested = is_testable(column.statistic, Null::gaussian);
    out += fmt::format("{:>11}", tested ? text_of(known_of(null, column.statistic, "mean")) : "-");
  }
  return out + "\n";
}

/// Explains the row `chance`; empty without it.
std::string chance_note(const json& field) {
  if (!field.contains("null")) return {};
  return fmt::format("; chance: means of {} Gaussian heads", field.at("null").at("draws").get<std::int64_t>());
}

/// Share of a field's heads beyond chance in each column; empty if it was not tested.
std::string beyond_row(const char* label, const json& field, const char* null) {
  if (!field.contains(null) || !field.at(null).contains("beyond_chance")) return {};
  const json& beyond = field.at(null).at("beyond_chance");
  std::string out = fmt::format("{:>10}", label);
  for (const TableColumn& column : kColumns) {
    const bool there = beyond.contains(column.statistic);
    out += fmt::format(
        "{:>11}", there ? fmt::format("{:.0f} %", 100 * beyond.at(column.statistic).at("share").get<double>()) : "-");
  }
  return out + "\n";
}

/// Names the head measurements that a row leaves out, and why. Warns if so many are missing that medians may change.
std::string missing_line(const std::string& where, const json& group) {
  if (!group.contains("failed_checks")) return {};
  const auto heads = group.at("heads").get<std::int64_t>(), failed = heads - group.at("certified").get<std::int64_t>();
  std::string checks;
  for (const auto& [name, count] : group.at("failed_checks").items()) {
    checks += fmt::format("{}{} {}", checks.empty() ? "" : ", ", name, count.get<std::int64_t>());
  }
  std::string out = fmt::format("{}: {} of {} failed and are left out ({})\n", where, failed, heads, checks);
  if (static_cast<double>(failed) > kFewMissing * static_cast<double>(heads)) {
    out += fmt::format("{}: with so many missing, the medians over all heads may differ\n", where);
  }
  return out;
}

/// A name short enough for its line; cut between characters.
std::string shortened(const std::string& name) {
  constexpr std::size_t kMost = 40;
  return name.size() <= kMost ? name : fmt::format("{:.37}...", name);
}

std::string header(const char* label) {
  std::string out = fmt::format("{:>10}", label);
  for (const TableColumn& column : kColumns) out += fmt::format("{:>11}", column.title);
  return out + "\n";
}

/// Compares the learned interaction with the field of a scope's longest context; empty without weights.
std::string learned_line(const json& field) {
  const json& statistics = field.at("model").at("statistics");
  if (!statistics.contains("learned_k90") || !statistics.contains("spectral_gap")) return {};
  const auto median = [&](const char* name, int digits) {
    return text_of(known_of(field.at("model"), name, "median"), digits);
  };
  std::string chance;
  if (field.contains("null") && field.at("null").at("statistics").contains("learned_k90")) {
    chance = fmt::format(" (chance {})", text_of(known_of(field.at("null"), "learned_k90", "mean")));
  }
  return fmt::format(
      "\nW_Q^T W_K with the gains of the norms: median k90 {}{};\nratio to the head's k90 of the {} field at {} "
      "tokens: median {}\n",
      median("learned_k90", 4), chance, field.at("scope").get<std::string>(), field.at("context").get<std::int64_t>(),
      median("spectral_gap", 3));
}

/// The keys over which a scope's numbers are measured in layers with windows; empty without any.
std::string windows_line(const json& field) {
  const std::string windows = field.value("windows", "");
  if (windows.empty()) return {};
  const std::string scope = field.at("scope");
  return fmt::format("* {}: {}\n", windows,
                     scope == "causal" ? "causal fields and attention cover only these keys"
                                       : "attention covers only these keys, this field covers all");
}

double tenths(double seconds) { return std::round(10 * seconds); }

/// Seconds of each phase, and of the time outside all phases. Rounded so that the printed numbers add up to the whole.
std::string phases_line(const std::map<std::string, double>& seconds, double wall) {
  std::string out;
  double sum = 0;
  const auto add = [&](std::string_view phase, double value) {
    const double before = tenths(sum);
    sum += value;
    out += fmt::format(" {} {:.1f}", phase, (tenths(sum) - before) / 10);
  };
  for (const std::string_view phase : kPhaseNames) add(phase, seconds.at(std::string(phase)));
  add("other", wall - sum);
  return out + "\n";
}

/// Resources of the last session: its time, the mean time of its ranks by phase, and the largest peak of memory.
std::string resources(const json& ranks) {
  std::map<std::string, double> seconds;
  double wall = 0, peak = 0;
  const std::int64_t session = ranks.back().at("session");
  std::int64_t count = 0;
  for (const json& rank : ranks) {
    if (rank.at("session") != session) continue;
    ++count;
    for (const auto& [phase, value] : rank.at("seconds").items()) seconds[phase] += value.get<double>();
    wall = std::max(wall, rank.at("wall_seconds").get<double>());
    peak = std::max(peak, rank.at("peak_bytes").get<double>());
  }
  for (auto& [phase, value] : seconds) value /= static_cast<double>(count);
  return fmt::format("{}{:.1f} s on {} rank{}, peak memory {:.0f} MB; seconds{}:\n {}",
                     session > 0 ? fmt::format("session {}: ", session + 1) : "", wall, count, count == 1 ? "" : "s",
                     peak / 1e6, count == 1 ? "" : ", mean of the ranks", phases_line(seconds, wall));
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
    out += fmt::format("\n{}: medians over heads and texts, by context{}\n", scope, chance_note(fields[first]));
    out += header("context");
    std::size_t last = first;
    for (; last < fields.size() && fields[last].at("scope") == scope; ++last) {
      out += row(fmt::format("{}", fields[last].at("context").get<std::int64_t>()), fields[last].at("model"), "median");
      if (fields[last].contains("null")) out += chance_row(fields[last].at("null"));
      if (fields[last].contains("head_null")) out += row("own null", fields[last].at("head_null"), "median");
    }
    const json& longest = fields[last - 1];
    out += beyond_row("beyond", longest, "null") + beyond_row("beyond own", longest, "head_null");
    for (std::size_t f = first; f < last; ++f) {
      out += missing_line(fmt::format("{} tokens", fields[f].at("context").get<std::int64_t>()), fields[f].at("model"));
    }
    out += fmt::format("\n{}: by layer, context {}\n", scope, longest.at("context").get<std::int64_t>());
    out += header("layer");
    for (const json& layer : longest.at("layers")) {
      const char* mark = layer.contains("keys_seen") ? "*" : "";
      out += row(fmt::format("{}{}", mark, layer.at("layer").get<std::int64_t>()), layer, "median");
    }
    for (const json& layer : longest.at("layers")) {
      out += missing_line(fmt::format("layer {}", layer.at("layer").get<std::int64_t>()), layer);
    }
    out += windows_line(longest);
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
