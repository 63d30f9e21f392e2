#include <fmt/format.h>

#include <algorithm>

#include "pipeline/monitor/store.hpp"
#include "pipeline/report/embedded.hpp"
#include "pipeline/report/packed_values.hpp"
#include "pipeline/report/page.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

/// Largest number of alerts that the page lists.
constexpr std::size_t kMostAlerts = 500;

/// Measured steps that the page shows: all of them, or as many as fit, evenly spaced, with the first and the last.
std::vector<const StepValues*> shown_steps(const HeadSeries& series) {
  std::vector<const StepValues*> all, out;
  for (const StepValues& step : series.steps) {
    if (step.measured()) all.push_back(&step);
  }
  const double bytes = 2.0 * static_cast<double>(series.size() * kFollowed.size());
  const auto most = std::max<std::size_t>(2, static_cast<std::size_t>(kMostPackedBytes / bytes));
  if (all.size() <= most) return all;
  for (std::size_t i = 0; i < most; ++i) out.push_back(all[i * (all.size() - 1) / (most - 1)]);
  return out;
}

json statistics() {
  json out = json::array();
  for (const std::string_view name : kFollowed) {
    const StatisticInfo info = info_of(name);
    out.push_back({{"name", info.name}, {"units", info.units}, {"description", info.description}});
  }
  return out;
}

/// The values, by "//step", then by statistic: see valuesOf() of pipeline/report/web/data.js.
json values_of(const std::vector<const StepValues*>& steps) {
  json out = json::object();
  for (const StepValues* step : steps) {
    json& entry = out[fmt::format("//{}", step->step)] = json::object();
    for (std::size_t s = 0; s < kFollowed.size(); ++s) {
      entry[std::string(kFollowed[s])] = pack(step->readings(s));
    }
  }
  return out;
}

/// The alerts. Layers and heads count from 0, as in the page's maps; null: none in particular.
json alerts_of(const MonitorStore& store) {
  json out = json::array();
  for (const Alert& a : store.alerts()) {
    if (out.size() == kMostAlerts) break;
    const json layer = a.layer < 0 ? json(nullptr) : json(a.layer - store.series().first_layer);
    out.push_back({{"step", a.step},
                   {"layer", layer},
                   {"head", a.head < 0 ? json(nullptr) : json(a.head)},
                   {"kind", alert_name(a.kind)},
                   {"statistic", a.statistic},
                   {"value", a.value},
                   {"low", a.low},
                   {"high", a.high},
                   {"detail", a.detail}});
  }
  return out;
}

json checkpoints_of(const MonitorStore& store) {
  json out = json::array();
  for (const StepValues& step : store.series().steps) {
    out.push_back({{"step", step.step},
                   {"loss", step.loss},
                   {"measured", step.measured()},
                   {"failed", step.failed.size()},
                   {"alerts", store.alerts_of(step.step).size()},
                   {"report", store.folder().run(step.step).filename().string() + "/report.html"}});
  }
  return out;
}

json thresholds_of(const Thresholds& t) {
  json out = json::array();
  const auto add = [&](const char* name, double value, const char* meaning) {
    out.push_back({{"name", name}, {"value", value}, {"meaning", meaning}});
  };
  add("--alert-band", t.band, "half-width of a band, in robust standard deviations of the logarithm's changes");
  add("--alert-window", double(t.window), "number of latest checkpoints that a head's band follows");
  add("--alert-history", double(t.history),
      "number of checkpoints, before the latest --alert-confirm, that a head needs to be judged by its history");
  add("--alert-confirm", double(t.confirm),
      "number N of checkpoints that must lie outside a band, among the last 2 N - 1");
  add("--alert-collapse", t.collapse,
      "share of the earlier entropy, rank or field below which a head, or all heads together, has collapsed");
  add("--alert-chance", t.chance,
      "largest ratio to Gaussian heads, in either direction, for coherence and participation");
  add("--alert-max-logit", t.max_logit, "largest logit (100 is the threshold of Kimi K2's QK-clip)");
  return out;
}

json chance_of(const HeadSeries& series) {
  json out = json::object();
  for (const std::string_view name : kFollowed) {
    const auto found = series.chance.find(std::string(name));
    if (found != series.chance.end()) out[std::string(name)] = found->second.first;
  }
  return out;
}

}  // namespace

std::string monitor_page(const MonitorStore& store) {
  const HeadSeries& series = store.series();
  const std::vector<const StepValues*> shown = shown_steps(series);
  json steps = json::array();
  for (const StepValues* step : shown) steps.push_back(step->step);
  const std::string name = store.folder().root.filename().string();
  const json data{{"model", name},
                  {"layers", series.num_layers},
                  {"firstLayer", series.first_layer},
                  {"heads", series.num_heads},
                  {"statistics", statistics()},
                  {"steps", std::move(steps)},
                  {"values", values_of(shown)},
                  {"chance", chance_of(series)},
                  {"checkpoints", checkpoints_of(store)},
                  {"alertCount", store.alerts().size()},
                  {"alerts", alerts_of(store)},
                  {"maxLogit", store.thresholds().max_logit},
                  {"thresholds", thresholds_of(store.thresholds())}};
  return make_page(embedded::monitor_html, {name + " - heads over training", embedded::monitor_js, data});
}

}  // namespace logitfield
