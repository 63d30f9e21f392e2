#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/csv.hpp"
#include "io/error.hpp"
#include "io/file.hpp"
#include "io/netcdf.hpp"
#include "pipeline/compare/comparison.hpp"

namespace logitfield {
namespace {

/// Returns the given end of a censored reading if it is finite; else NaN.
double bound(const Reading& reading, double Reading::*end) {
  return reading.is_censored() && std::isfinite(reading.*end) ? reading.*end : kernels::kUndefined;
}

struct Quantity {
  const char *name, *units, *description;
  double (*value)(const ComparedStatistic&);
};
const std::vector<Quantity>& quantities() {
  static const std::vector<Quantity> all{
      {"heads", "1", "number of heads that count",
       [](const ComparedStatistic& s) { return static_cast<double>(s.heads.count); }},
      {"censored", "1", "number of these heads whose value is only known to be more (or less) than a bound",
       [](const ComparedStatistic& s) { return static_cast<double>(s.heads.censored); }},
      {"failed", "1", "number of heads left out because they failed their certificate",
       [](const ComparedStatistic& s) { return static_cast<double>(s.failed); }},
      {"median", "of the statistic", "median over heads and texts; missing where it is not known",
       [](const ComparedStatistic& s) { return s.heads.median.value(); }},
      {"median_more_than", "of the statistic", "lower bound of a median that is not known",
       [](const ComparedStatistic& s) { return bound(s.heads.median, &Reading::low); }},
      {"median_less_than", "of the statistic", "upper bound of a median that is not known",
       [](const ComparedStatistic& s) { return bound(s.heads.median, &Reading::high); }},
      {"p25", "of the statistic", "first quartile", [](const ComparedStatistic& s) { return s.heads.p25.value(); }},
      {"p75", "of the statistic", "third quartile", [](const ComparedStatistic& s) { return s.heads.p75.value(); }},
      {"beyond_chance", "1", "share of heads that differ from Gaussian heads, at a false discovery rate of 5 %",
       [](const ComparedStatistic& s) { return s.beyond_chance.share(); }},
      {"beyond_own_chance", "1",
       "share of heads that differ from random draws of themselves, at a false discovery rate of 5 %",
       [](const ComparedStatistic& s) { return s.beyond_own_chance.share(); }},
      {"text_effect", "1", "range of the texts' medians over the interquartile range",
       [](const ComparedStatistic& s) { return s.text_effect; }},
      {"context_slope", "1", "d ln median / d ln context", [](const ComparedStatistic& s) { return s.context_slope; }}};
  return all;
}

void write_csv(const Comparison& c, const std::filesystem::path& path) {
  std::vector<std::string> columns{"run", "scope", "context", "statistic"};
  for (const Quantity& q : quantities()) columns.push_back(q.name);
  io::write_csv(path, columns, c.statistics.size(), [&](std::size_t i) {
    const ComparedStatistic& s = c.statistics[i];
    std::vector<std::string> cells{s.run, s.scope, std::to_string(s.context), s.statistic};
    for (const Quantity& q : quantities()) cells.push_back(io::csv_cell(q.value(s)));
    return cells;
  });
}

void write_regularities(const Comparison& c, const std::filesystem::path& path) {
  const std::vector<std::string> columns{"run", "regularity", "value", "value_more_than", "limit", "holds"};
  io::write_csv(path, columns, c.regularities.size(), [&](std::size_t i) {
    const Regularity& r = c.regularities[i];
    return std::vector<std::string>{r.run,
                                    r.name,
                                    io::csv_cell(r.value.value()),
                                    io::csv_cell(bound(r.value, &Reading::low)),
                                    io::csv_cell(r.limit),
                                    r.holds ? "1" : "0"};
  });
}

/// Adds the value (for each run) and the limit of each regularity.
void add_regularities(const Comparison& c, std::vector<io::NetcdfDimension>& dimensions,
                      std::vector<io::NetcdfVariable>& variables) {
  const auto all = by_name(c);
  std::vector<std::string> names;
  io::NetcdfVariable value{"regularity_value", {"run", "regularity"}, "1", "should not exceed the limit", {}, {}, {}};
  io::NetcdfVariable limit{"regularity_limit", {"regularity"}, "1", "limit chosen by this program", {}, {}, {}};
  value.doubles.assign(c.runs.size() * all.size(), kernels::kUndefined);
  for (const auto& [name, entries] : all) {
    for (const Regularity* r : entries) {
      const auto run = static_cast<std::size_t>(std::ranges::find(c.runs, r->run) - c.runs.begin());
      value.doubles[run * all.size() + names.size()] = r->value.value();
    }
    limit.doubles.push_back(entries.front()->limit);
    names.push_back(name);
  }
  dimensions.push_back({"regularity", names.size()});
  variables.push_back({"regularity", {"regularity"}, "", "regularity expected of a trained model", {}, {}, names});
  variables.push_back(std::move(value));
  variables.push_back(std::move(limit));
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
    io::NetcdfVariable v{q.name, axes, q.units, q.description, {}, {}, {}};
    v.doubles.assign(c.runs.size() * field_names.size() * statistic_names.size(), kernels::kUndefined);
    for (const ComparedStatistic& s : c.statistics) {
      const std::size_t place = runs.at(s.run) * field_names.size() + fields.at(field_name(s.scope, s.context));
      v.doubles[place * statistic_names.size() + statistics.at(s.statistic)] = q.value(s);
    }
    variables.push_back(std::move(v));
  }
  std::vector<io::NetcdfDimension> dimensions{
      {"run", c.runs.size()}, {"field", field_names.size()}, {"statistic", statistic_names.size()}};
  add_regularities(c, dimensions, variables);
  const std::vector<std::pair<std::string, std::string>> attributes{{"title", "comparison of logitfield runs"}};
  io::write_netcdf(path, dimensions, variables, attributes);
}

}  // namespace

const ComparedStatistic* Comparison::find(const std::string& run, const std::string& statistic,
                                          const std::pair<std::string, std::int64_t>& field) const {
  for (const ComparedStatistic& s : statistics) {
    if (s.run == run && s.statistic == statistic && s.scope == field.first && s.context == field.second) return &s;
  }
  return nullptr;
}

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

namespace {

/// Says how many heads a run's row leaves out; empty if none.
std::string missing_line(const Comparison& c, const std::string& run,
                         const std::pair<std::string, std::int64_t>& field) {
  const ComparedStatistic* s = c.find(run, "k90", field);
  return s && s->failed > 0
             ? fmt::format("{:.20}: {} heads failed their certificate and are left out\n", run, s->failed)
             : "";
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
      const ComparedStatistic* s = c.find(run, statistic, field);
      const bool there = s && s->heads.count > 0;
      out += fmt::format(" {:>25}", there ? fmt::format("{} [{}, {}]", text_of(s->heads.median, 3),
                                                        text_of(s->heads.p25, 3), text_of(s->heads.p75, 3))
                                          : "-");
    }
    out += "\n";
  }
  for (const std::string& run : c.runs) out += missing_line(c, run, field);
  for (const auto& [name, entries] : by_name(c)) {
    std::string failing;
    for (const Regularity* r : entries) {
      if (r->holds) continue;
      const char* known = r->fails() ? "" : ", not known";
      failing += fmt::format("{}{} ({}{})", failing.empty() ? "" : ", ", r->run, text_of(r->value), known);
    }
    out += fmt::format("{:<52} {}\n", name, failing.empty() ? where_it_holds(entries.size(), c) : "not in " + failing);
  }
  return out;
}

void write_comparison(const Comparison& c, const std::filesystem::path& folder) {
  io::make_folder(folder);
  write_csv(c, folder / "comparison.csv");
  write_regularities(c, folder / "regularities.csv");
  write_nc(c, folder / "comparison.nc");
  io::write_atomically(folder / "comparison.html", comparison_page(c));
}

}  // namespace logitfield
