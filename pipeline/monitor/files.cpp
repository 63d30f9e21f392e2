// Files of a monitor for other programs: CSV, JSON lines, Prometheus.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/csv.hpp"
#include "io/file.hpp"
#include "io/printable.hpp"
#include "pipeline/monitor/store.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

using nlohmann::json;

std::string name_of(const HeadSeries& series, std::size_t head) {
  return fmt::format("layer_{:02}/head_{:02}/", series.layer_of(head), series.head_of(head));
}

/// JSON has no NaN: undefined values are left out.
void put(json& object, const std::string& name, double value) {
  if (std::isfinite(value)) object[name] = value;
}

/// Quotes a label value for Prometheus' text format, which takes UTF-8 only.
std::string label(const std::string& value) {
  std::string out;
  for (const char c : io::printable_line(value)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string help(std::string_view name, std::string_view text) {
  return fmt::format("# HELP logitfield_{} {}\n# TYPE logitfield_{} gauge\n", name, text, name);
}

}  // namespace

void write_series_csv(const HeadSeries& series, const std::filesystem::path& path) {
  std::vector<std::string> columns{"step", "layer", "head", "kv_head"};
  columns.insert(columns.end(), kFollowed.begin(), kFollowed.end());
  columns.insert(columns.end(), {"energy", "key_rank"});
  std::vector<std::pair<const StepValues*, std::size_t>> rows;
  for (const StepValues& step : series.steps) {
    for (std::size_t h = 0; h < step.heads.size(); ++h) rows.emplace_back(&step, h);
  }
  io::write_csv(path, columns, rows.size(), [&](std::size_t i) {
    const auto& [step, head] = rows[i];
    const std::int64_t kv_head = series.head_of(head) / (series.num_heads / series.num_kv_heads);
    std::vector<std::string> row{std::to_string(step->step), std::to_string(series.layer_of(head)),
                                 std::to_string(series.head_of(head)), std::to_string(kv_head)};
    const auto add = [&](double value) { row.push_back(std::isnan(value) ? "" : fmt::format("{}", value)); };
    for (std::size_t s = 0; s <= kFollowed.size(); ++s) add(step->value(head, s));
    add(head < step->key_ranks.size() ? step->key_ranks[head] : kernels::kUndefined);
    return row;
  });
}

void write_alerts(const std::vector<Alert>& alerts, const std::filesystem::path& path) {
  const auto none = [](std::int64_t place) { return place < 0 ? json(nullptr) : json(place); };
  std::string out;
  for (const Alert& a : alerts) {
    const nlohmann::ordered_json line{{"step", a.step},           {"layer", none(a.layer)},
                                      {"head", none(a.head)},     {"kind", alert_name(a.kind)},
                                      {"statistic", a.statistic}, {"value", a.value},  // a NaN becomes null
                                      {"band", {a.low, a.high}},  {"detail", a.detail}};
    out += line.dump() + "\n";
  }
  io::write_atomically(path, out);
}

void write_scalars(const MonitorStore& store, const std::filesystem::path& path) {
  const HeadSeries& series = store.series();
  std::string out;
  for (const StepValues& step : series.steps) {
    json line{{"step", step.step}, {"alerts", store.alerts_of(step.step).size()}};
    put(line, "loss", step.loss);
    for (std::size_t s = 0; step.measured() && s < kFollowed.size(); ++s) {
      put(line, fmt::format("median/{}", kFollowed[s]), median(step.readings(s)));
      for (std::size_t h = 0; h < step.heads.size(); ++h) {
        put(line, name_of(series, h) + std::string(kFollowed[s]), step.heads[h][s]);
      }
    }
    out += line.dump() + "\n";
  }
  io::write_atomically(path, out);
}

void write_prometheus(const MonitorStore& store, const std::filesystem::path& path) {
  const HeadSeries& series = store.series();
  const std::string run = label(store.folder().root.filename().string());
  std::map<AlertKind, std::int64_t> alerts;
  for (std::size_t kind = 0; kind < kAlertKinds; ++kind) alerts[static_cast<AlertKind>(kind)] = 0;
  for (const Alert& alert : store.alerts()) ++alerts[alert.kind];
  std::string out = help("alerts", "alerts of the series so far");
  for (const auto& [kind, count] : alerts) {
    out += fmt::format("logitfield_alerts{{run=\"{}\",kind=\"{}\"}} {}\n", run, alert_name(kind), count);
  }
  const auto last = std::ranges::find_if(series.steps.rbegin(), series.steps.rend(), &StepValues::measured);
  if (last == series.steps.rend()) return io::write_atomically(path, out);
  out += help("step", "the last measured step") + fmt::format("logitfield_step{{run=\"{}\"}} {}\n", run, last->step);
  if (std::isfinite(last->loss)) {
    out += help("loss", "next-token loss, mean over texts, nats");
    out += fmt::format("logitfield_loss{{run=\"{}\"}} {}\n", run, last->loss);
  }
  for (std::size_t s = 0; s < kFollowed.size(); ++s) {
    out += help(kFollowed[s], info_of(kFollowed[s]).description);
    for (std::size_t h = 0; h < last->heads.size(); ++h) {
      const double value = last->heads[h][s];
      if (!std::isfinite(value)) continue;
      out += fmt::format("logitfield_{}{{run=\"{}\",layer=\"{}\",head=\"{}\"}} {}\n", kFollowed[s], run,
                         series.layer_of(h), series.head_of(h), value);
    }
  }
  io::write_atomically(path, out);
}

}  // namespace logitfield
