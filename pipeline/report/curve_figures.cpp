// Figures of lists that every head has: components and key positions.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "pipeline/report/axes.hpp"
#include "pipeline/report/figures.hpp"
#include "pipeline/results/head_values.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

namespace svg = io::svg;
using kernels::HeadStatistics;
using kernels::kUndefined;

constexpr double kPanelWidth = 190, kPanelHeight = 120, kHeight = 166;
constexpr svg::Point kCorner{40, 20};

/// Median and middle half over heads, at each place of their lists.
struct Curves {
  std::vector<double> low, median, high;
};

/// The list of one head, and the reading that stands for values beyond its end.
struct HeadCurve {
  std::vector<double> values;
  Reading beyond = {};
};

/// Whether the results hold all singular values that are not zero.
bool is_whole(const HeadStatistics& h) {
  return h.spectrum.rank != -1 && h.spectrum.components == std::ssize(h.singular_values);
}

Curves spread(const Results& r, std::size_t field, const std::function<HeadCurve(const HeadStatistics&)>& curve_of) {
  std::vector<HeadCurve> heads;
  std::size_t places = 0;
  for (std::size_t t = 0; t < r.texts.size(); ++t) {
    for_each_head(r, t, field, [&](std::size_t, const HeadStatistics& h) {
      if (!h.certificate.certified()) return;
      places = std::max(places, heads.emplace_back(curve_of(h)).values.size());
    });
  }
  Curves out;
  for (std::size_t i = 0; i < places; ++i) {
    std::vector<Reading> readings;
    for (const HeadCurve& head : heads) {
      readings.push_back(i < head.values.size() ? Reading::known(head.values[i]) : head.beyond);
    }
    out.low.push_back(quantile(readings, 0.25).value());
    out.median.push_back(median(readings).value());
    out.high.push_back(quantile(readings, 0.75).value());
  }
  return out;
}

std::vector<double> component_numbers(std::size_t count) {
  std::vector<double> out;
  for (std::size_t k = 1; k <= count; ++k) out.push_back(static_cast<double>(k));
  return out;
}

std::string with_band(const Axes& axes, const std::vector<double>& xs, const Curves& curves, const char* colour) {
  return axes.band(xs, curves.low, curves.high, colour) + axes.curve(xs, curves.median, colour);
}

std::int64_t rank_bound(const Results& r, std::size_t field) {
  std::int64_t most = 0;
  for_each_head(r, 0, field, [&](std::size_t, const HeadStatistics& h) { most = std::max(most, h.rank_bound); });
  return most;
}

std::string spectra(const Results& r, std::size_t field, const std::string& where) {
  const Curves sigma = spread(r, field, [](const HeadStatistics& h) -> HeadCurve {
    if (h.singular_values.empty()) return {};
    return {h.singular_values, is_whole(h) ? Reading::known(0) : Reading::less_than(h.singular_values.back())};
  });
  const double count = static_cast<double>(sigma.median.size()), bound = static_cast<double>(rank_bound(r, field));
  // A bound far beyond the computed values would squeeze the curve into a corner.
  const bool marked = bound <= 1.2 * count;
  std::vector<double> range = sigma.low;
  range.insert(range.end(), sigma.high.begin(), sigma.high.end());
  const Axes axes(kCorner, kPanelWidth, kPanelHeight,
                  linear_scale("component", 0, 1.02 * std::max(count, marked ? bound : 0)),
                  logarithmic_scale("singular value (logit)", range));
  std::string out = axes.frame("spectrum: " + where);
  out += with_band(axes, component_numbers(sigma.median.size()), sigma, kBlue);
  if (marked) {
    const double x = axes.at(bound, 1).first;
    out += svg::line({x, kCorner.second}, {x, kCorner.second + kPanelHeight}, kVermilion, 0.8, "4 3");
  }
  out += axes.legend({{"median of the heads, middle half", kBlue},
                      {fmt::format("rank bound {:g}{}", bound, marked ? "" : ", off the axis"), kVermilion}});
  return svg::document(kColumnWidth, kHeight, out);
}

std::string cumulative(const Results& r, std::size_t field, const std::string& where) {
  const Curves shares = spread(r, field, [](const HeadStatistics& h) -> HeadCurve {
    if (h.singular_values.empty()) return {};
    HeadCurve out;
    double sum = 0;
    for (const double sigma : h.singular_values) out.values.push_back((sum += sigma * sigma) / h.spectrum.energy);
    out.beyond = is_whole(h) ? Reading::known(1) : Reading::more_than(out.values.back());
    return out;
  });
  std::vector<Reading> k90s;
  for (std::size_t t = 0; t < r.texts.size(); ++t) {
    for_each_head(r, t, field, [&](std::size_t, const HeadStatistics& h) {
      if (!h.certificate.certified()) return;
      const auto k90 = static_cast<double>(h.spectrum.k90);
      k90s.push_back(reading_of("k90", h, is_defined(h.spectrum.k90) ? k90 : kUndefined));
    });
  }
  const Reading k90 = median(k90s);
  const Axes axes(kCorner, kPanelWidth, kPanelHeight,
                  linear_scale("components", 0, 1.02 * static_cast<double>(shares.median.size())),
                  linear_scale("share of the energy", 0, 1.02));
  std::string out = axes.frame("cumulative energy: " + where);
  out += with_band(axes, component_numbers(shares.median.size()), shares, kBlue);
  std::vector<std::pair<std::string, std::string>> legend{{"median of the heads, middle half", kBlue}};
  if (k90.is_known()) {
    const double k = k90.value();
    out += svg::polyline({axes.at(0, 0.9), axes.at(k, 0.9), axes.at(k, 0)}, kVermilion, 0.8, "4 3");
  }
  if (k90.is_defined()) {
    const std::string text = text_of(k90, 6);
    legend.emplace_back(fmt::format("90 %: median k90 {}{}", k90.is_known() ? "= " : "", text), kVermilion);
  }
  return svg::document(kColumnWidth, kHeight, out + axes.legend(legend, true));
}

/// Mean share of one position in each bin of the profile; token 0 can be left out of its bin.
std::vector<double> shares_by_position(const HeadStatistics& h, std::size_t context, bool with_first) {
  const std::size_t bins = h.key_profile.size();
  std::vector<double> out = h.key_profile;
  for (std::size_t b = 0; b < bins; ++b) {
    const std::size_t begin = b * context / bins, end = (b + 1) * context / bins;
    auto positions = static_cast<double>(end - begin);
    if (b == 0 && !with_first) out[b] -= h.keys.first_share, positions -= 1;
    out[b] = positions > 0 ? out[b] / positions : kUndefined;
  }
  return out;
}

std::string positions(const Results& r, std::size_t field, const std::string& where) {
  const std::int64_t context = r.contexts.back();
  const auto curves = [&](bool with_first) {
    return spread(r, field, [&](const HeadStatistics& h) -> HeadCurve {
      return {shares_by_position(h, static_cast<std::size_t>(context), with_first)};
    });
  };
  const Curves with = curves(true), without = curves(false);
  const double length = static_cast<double>(context), even = 1 / length, first = with.median.front();
  std::vector<double> xs, range{even, first};
  for (std::size_t b = 0; b < without.median.size(); ++b) {
    xs.push_back((static_cast<double>(b) + 0.5) * length / static_cast<double>(without.median.size()));
    range.insert(range.end(), {without.low[b], without.high[b]});
  }
  range.push_back(2 * distribution(range).max.value());  // room for the legend
  const Axes axes(kCorner, kPanelWidth, kPanelHeight, linear_scale("key position (token)", 0, length),
                  logarithmic_scale("energy share of a position", range));
  std::string out = axes.frame("key positions: " + where) + with_band(axes, xs, without, kBlue);
  out += svg::line(axes.at(0, even), axes.at(length, even), kGrey, 0.8, "4 3");
  out += svg::circle(axes.at(xs.front(), first), 2, kVermilion, fmt::format("{:.6g}", first));
  out += axes.legend({{"median of the heads without token 0, middle half", kBlue},
                      {"first bin with token 0", kVermilion},
                      {"evenly spread", kGrey}});
  return svg::document(kColumnWidth, kHeight, out);
}

}  // namespace

std::vector<Figure> curve_figures(const Results& results, std::size_t scope) {
  const std::string& name = results.scopes[scope];
  const std::size_t field = results.field(results.contexts.size() - 1, scope);
  const std::string where = fmt::format("{} field, {} tokens", name, results.contexts.back());
  return {{"spectra_" + name, spectra(results, field, where)},
          {"cumulative_" + name, cumulative(results, field, where)},
          {"positions_" + name, positions(results, field, where)}};
}

}  // namespace logitfield
