// Figures of statistics over the model: against context, and against chance.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/report/axes.hpp"
#include "pipeline/report/figures.hpp"
#include "pipeline/results/head_values.hpp"
#include "pipeline/results/model_statistics.hpp"

namespace logitfield {
namespace {

namespace svg = io::svg;
using kernels::kUndefined;

/// Mean over Gaussian heads; NaN without --null, or if it is not known.
double chance(const Results& r, std::size_t field, const std::string& statistic) {
  const NullDraws* null = r.null_of(field);
  if (!null) return kUndefined;
  const auto found = null->statistics.find(statistic);
  return found == null->statistics.end() ? kUndefined : found->second.mean().value();
}

/// One statistic over the contexts, both axes logarithmic.
std::string context_panel(const Results& r, std::size_t scope, const std::string& statistic,
                          const std::vector<ComparedStatistic>& all, svg::Point corner) {
  std::vector<double> xs, low, median, high, null;
  double slope = kUndefined;
  for (const ComparedStatistic& s : all) {
    if (s.statistic != statistic || s.heads.count == 0) continue;
    const auto context = static_cast<std::size_t>(std::ranges::find(r.contexts, s.context) - r.contexts.begin());
    xs.push_back(static_cast<double>(s.context));
    low.push_back(s.heads.p25.value()), median.push_back(s.heads.median.value()), high.push_back(s.heads.p75.value());
    null.push_back(chance(r, r.field(context, scope), statistic));
    slope = s.context_slope;
  }
  std::vector<double> range = low;
  range.insert(range.end(), high.begin(), high.end());
  range.insert(range.end(), null.begin(), null.end());
  const Axes axes(corner, 120, 84, context_scale(r.contexts), logarithmic_scale("", range));
  const std::string fitted = std::isnan(slope) ? "" : fmt::format(", slope {:.2f}", slope);
  std::string out = axes.frame(statistic + fitted) + axes.band(xs, low, high, kBlue);
  out += axes.curve(xs, median, kBlue) + axes.curve(xs, null, kVermilion, "4 3");
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (median[i] > 0) out += svg::circle(axes.at(xs[i], median[i]), 1.6, kBlue, fmt::format("{:.6g}", median[i]));
  }
  return out;
}

std::string against_context(const Results& r, std::size_t scope, const std::vector<ComparedStatistic>& all) {
  constexpr std::size_t kColumns = 3;
  constexpr double kAcross = 168, kDown = 126;
  std::string out = svg::text(38, 13, fmt::format("{} field: median of the heads, middle half", r.scopes[scope]),
                              "start", fmt::format("fill=\"{}\" font-weight=\"bold\"", kBlue));
  if (!r.nulls.empty()) {
    out += svg::text(260, 13, "dashed: Gaussian heads (chance)", "start", fmt::format("fill=\"{}\"", kVermilion));
  }
  std::size_t panel = 0;
  for (const char* statistic : kMainStatistics) {
    const std::size_t row = panel / kColumns, column = panel % kColumns;
    const svg::Point corner{38 + kAcross * static_cast<double>(column), 34 + kDown * static_cast<double>(row)};
    const bool there = std::ranges::any_of(
        all, [&](const ComparedStatistic& s) { return s.statistic == statistic && s.heads.median.value() > 0; });
    if (!there) continue;
    out += context_panel(r, scope, statistic, all, corner);
    ++panel;
  }
  const double rows = std::ceil(static_cast<double>(panel) / kColumns);
  return svg::document(kPageWidth, 22 + kDown * rows, out);
}

/// A row per statistic: median and middle half, divided by the value of Gaussian heads.
std::string against_chance(const Results& r, std::size_t scope, const std::vector<ComparedStatistic>& all) {
  constexpr double kRow = 11, kRowsTop = 20, kRowsLeft = 92, kRowsWidth = 108;
  std::vector<std::pair<const ComparedStatistic*, double>> rows;
  std::vector<double> range{0.5, 2};
  for (const StatisticInfo& info : shown_statistics()) {
    if (!is_testable(info, Null::gaussian)) continue;
    for (const ComparedStatistic& s : all) {
      const double null = chance(r, r.field(r.contexts.size() - 1, scope), s.statistic);
      if (s.statistic != info.name || s.context != r.contexts.back() || !(null > 0 && s.heads.median.value() > 0))
        continue;
      rows.emplace_back(&s, null);
      range.insert(range.end(), {s.heads.p25.value() / null, s.heads.p75.value() / null});
    }
  }
  if (rows.empty()) return "";
  const double height = kRow * static_cast<double>(rows.size());
  const Axes axes({kRowsLeft, kRowsTop}, kRowsWidth, height,
                  logarithmic_scale("measured over Gaussian heads (chance = 1)", range), Scale{});
  std::string out = axes.frame(fmt::format("{} field, {} tokens", r.scopes[scope], r.contexts.back()));
  out += svg::text(kRowsLeft + kRowsWidth + 38, kRowsTop - 5, "beyond chance", "end");
  out += svg::line({axes.at(1, 0).first, kRowsTop}, {axes.at(1, 0).first, kRowsTop + height}, kVermilion, 0.8, "4 3");
  double y = kRowsTop + kRow / 2;
  for (const auto& [s, null] : rows) {
    const auto x = [&, mean = null](double value) { return axes.at(value / mean, 0).first; };
    out += svg::text(kRowsLeft - 4, y + 2.5, s->statistic, "end");
    const double low = s->heads.p25.value(), middle = s->heads.median.value(), high = s->heads.p75.value();
    if (low > 0 && std::isfinite(high)) out += svg::line({x(low), y}, {x(high), y}, kSkyBlue, 3.5);
    out += svg::circle({x(middle), y}, 2, kBlue, fmt::format("{:.6g} / {:.6g}", middle, null));
    const double beyond = s->beyond_chance.share();
    out += svg::text(kRowsLeft + kRowsWidth + 38, y + 2.5,
                     std::isnan(beyond) ? "-" : fmt::format("{:.0f} %", 100 * beyond), "end");
    y += kRow;
  }
  return svg::document(kColumnWidth, kRowsTop + height + 26, out);
}

}  // namespace

std::vector<Figure> statistic_figures(const Results& results, std::size_t scope) {
  const std::string& name = results.scopes[scope];
  const std::vector<ComparedStatistic> all = compared_statistics("", results, name);
  std::vector<Figure> out;
  if (results.contexts.size() > 1) out.push_back({"contexts_" + name, against_context(results, scope, all)});
  std::string beside_chance = against_chance(results, scope, all);
  if (!beside_chance.empty()) out.push_back({"chance_" + name, std::move(beside_chance)});
  return out;
}

}  // namespace logitfield
