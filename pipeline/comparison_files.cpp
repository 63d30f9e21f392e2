#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "io/csv.hpp"
#include "io/error.hpp"
#include "io/file.hpp"
#include "io/markup.hpp"
#include "io/netcdf.hpp"
#include "pipeline/comparison.hpp"
#include "pipeline/embedded.hpp"

namespace logitfield {
namespace {

constexpr std::array kShown{"k90",       "effective_rank",    "stable_rank", "key_participation", "key_max_share",
                            "coherence", "attention_entropy", "sink_first",  "max_logit"};

std::string text_of(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4g}", value); }

const ComparedStatistic* find(const Comparison& c, const std::string& run, const std::string& statistic,
                              const std::pair<std::string, std::int64_t>& field) {
  for (const ComparedStatistic& s : c.statistics) {
    if (s.run == run && s.statistic == statistic && s.scope == field.first && s.context == field.second) return &s;
  }
  return nullptr;
}

/// Name of a regularity and its runs, in order.
std::vector<std::pair<std::string, std::vector<const Regularity*>>> by_name(const Comparison& c) {
  std::vector<std::pair<std::string, std::vector<const Regularity*>>> out;
  for (const Regularity& r : c.regularities) {
    const auto same = std::ranges::find(out, r.name, [](const auto& entry) { return entry.first; });
    if (same == out.end()) {
      out.push_back({r.name, {&r}});
    } else {
      same->second.push_back(&r);
    }
  }
  return out;
}

std::string row(const char* tag, const std::vector<std::string>& cells, const char* attributes = "") {
  std::string out = fmt::format("<tr{}>", attributes);
  for (const std::string& cell : cells) out += fmt::format("<{0}>{1}</{0}>", tag, io::markup_text(cell));
  return out + "</tr>\n";
}

std::string page(const Comparison& c) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"><title>runs side by side</title><style>{}\n"
      "@media (prefers-color-scheme: dark) {{ :root {{ --ground: #14171a; --ink: #e6e9ec; --dim: #9aa4af; --line: "
      "#353c44; "
      "--accent: #6cb2ff; --bad: #ff8a80; }} }}</style></head><body><h1>{} runs side by side</h1>\n",
      embedded::report_css, c.runs.size());
  out +=
      "<section><h2>What holds where</h2><p class=\"how\">Each value and the limit that it should not exceed; the "
      "limits are "
      "this program's own. Red: it exceeds it, or is not defined.</p><table>\n";
  out += row("th", {"regularity", "run", "value", "limit"});
  for (const auto& [name, entries] : by_name(c)) {
    for (const Regularity* r : entries) {
      out += row("td", {name, r->run, text_of(r->value), text_of(r->limit)}, r->holds ? "" : " class=\"bad\"");
    }
  }
  out += "</table></section>\n";
  for (const auto& field : c.fields) {
    out += fmt::format("<section><h2>{}, {} tokens</h2><table>\n", io::markup_text(field.first), field.second);
    out += row("th", {"statistic", "run", "median", "middle half", "beyond chance", "text effect", "context slope"});
    for (const char* statistic : kShown) {
      for (const std::string& run : c.runs) {
        const ComparedStatistic* s = find(c, run, statistic, field);
        if (!s || s->heads.count == 0) continue;
        out +=
            row("td", {statistic, run, text_of(s->heads.median), text_of(s->heads.p25) + " to " + text_of(s->heads.p75),
                       std::isnan(s->beyond_chance) ? "-" : fmt::format("{:.0f} %", 100 * s->beyond_chance),
                       text_of(s->text_effect), text_of(s->context_slope)});
      }
    }
    out += "</table></section>\n";
  }
  return out + "</body></html>\n";
}

struct Quantity {
  const char *name, *description;
  double (*value)(const ComparedStatistic&);
};
const std::vector<Quantity>& quantities() {
  static const std::vector<Quantity> all{
      {"heads", "heads that count", [](const ComparedStatistic& s) { return static_cast<double>(s.heads.count); }},
      {"median", "median over heads and texts", [](const ComparedStatistic& s) { return s.heads.median; }},
      {"p25", "first quartile", [](const ComparedStatistic& s) { return s.heads.p25; }},
      {"p75", "third quartile", [](const ComparedStatistic& s) { return s.heads.p75; }},
      {"beyond_chance", "share of heads beyond 3 sd of Gaussian heads",
       [](const ComparedStatistic& s) { return s.beyond_chance; }},
      {"text_effect", "range of the texts' medians over the interquartile range",
       [](const ComparedStatistic& s) { return s.text_effect; }},
      {"context_slope", "d ln median / d ln context", [](const ComparedStatistic& s) { return s.context_slope; }}};
  return all;
}

void write_csv(const Comparison& c, const std::filesystem::path& path) {
  std::vector<std::string> columns{"run", "scope", "context", "statistic"};
  for (const Quantity& q : quantities()) columns.push_back(q.name);
  io::write_csv(path, columns, c.statistics.size(), [&](std::size_t i) {
    const ComparedStatistic& s = c.statistics[i];
    std::vector<std::string> cells{s.run, s.scope, std::to_string(s.context), s.statistic};
    for (const Quantity& q : quantities()) cells.push_back(fmt::format("{}", q.value(s)));
    return cells;
  });
}

void write_nc(const Comparison& c, const std::filesystem::path& path) {
  std::map<std::string, std::size_t> runs, statistics, fields;
  std::vector<std::string> statistic_names, field_names;
  for (const std::string& run : c.runs) runs.emplace(run, runs.size());
  const auto field_name = [](const std::string& scope, std::int64_t context) {
    return fmt::format("{}/{}", scope, context);
  };
  for (const auto& [scope, context] : c.fields) {
    fields.emplace(field_name(scope, context), field_names.size());
    field_names.push_back(field_name(scope, context));
  }
  for (const ComparedStatistic& s : c.statistics) {
    if (statistics.emplace(s.statistic, statistic_names.size()).second) statistic_names.push_back(s.statistic);
  }
  const std::vector<std::string> axes{"run", "field", "statistic"};
  std::vector<io::NetcdfVariable> variables{
      {"run", {"run"}, "", "name of the run's folder", {}, {}, c.runs},
      {"field", {"field"}, "", "scope/context", {}, {}, field_names},
      {"statistic", {"statistic"}, "", "name as in heads.csv", {}, {}, statistic_names}};
  for (const Quantity& q : quantities()) {
    io::NetcdfVariable v{q.name, axes, "", q.description, {}, {}, {}};
    v.doubles.assign(c.runs.size() * field_names.size() * statistic_names.size(), kernels::kUndefined);
    for (const ComparedStatistic& s : c.statistics) {
      const std::size_t place = runs.at(s.run) * field_names.size() + fields.at(field_name(s.scope, s.context));
      v.doubles[place * statistic_names.size() + statistics.at(s.statistic)] = q.value(s);
    }
    variables.push_back(std::move(v));
  }
  const std::vector<io::NetcdfDimension> dimensions{
      {"run", c.runs.size()}, {"field", field_names.size()}, {"statistic", statistic_names.size()}};
  const std::vector<std::pair<std::string, std::string>> attributes{{"title", "logitfield runs side by side"}};
  io::write_netcdf(path, dimensions, variables, attributes);
}

}  // namespace

std::string comparison_table(const Comparison& c) {
  std::string out;
  const auto& field = *std::ranges::find_if(c.fields, [&](const auto& f) {
    return std::ranges::none_of(c.fields, [&](const auto& g) { return g.first == f.first && g.second > f.second; });
  });
  out += fmt::format("{}, {} tokens: median over heads and texts [middle half]\n", field.first, field.second);
  out += fmt::format("{:<20} {:>26} {:>26} {:>24}\n", "run", "k90", "key_participation", "coherence");
  for (const std::string& run : c.runs) {
    out += fmt::format("{:<20.20}", run);
    for (const char* statistic : {"k90", "key_participation", "coherence"}) {
      const ComparedStatistic* s = find(c, run, statistic, field);
      const bool there = s && s->heads.count > 0;
      out += fmt::format(
          " {:>25}", there ? fmt::format("{:.3g} [{:.3g}, {:.3g}]", s->heads.median, s->heads.p25, s->heads.p75) : "-");
    }
    out += "\n";
  }
  for (const auto& [name, entries] : by_name(c)) {
    std::string failing;
    for (const Regularity* r : entries) {
      if (!r->holds) failing += fmt::format("{}{} ({})", failing.empty() ? "" : ", ", r->run, text_of(r->value));
    }
    out += fmt::format("{:<52} {}\n", name, failing.empty() ? "holds in every run" : "not in " + failing);
  }
  return out;
}

void write_comparison(const Comparison& c, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  write_csv(c, folder / "comparison.csv");
  write_nc(c, folder / "comparison.nc");
  io::write_atomically(folder / "comparison.html", page(c));
}

}  // namespace logitfield
