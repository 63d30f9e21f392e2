// Output of a monitor on a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/monitor/store.hpp"
#include "pipeline/results/summary.hpp"

namespace logitfield {
namespace {

constexpr std::size_t kShownAlerts = 20;

/// Width of a row, in characters.
constexpr std::size_t kRowWidth = 99;

struct MonitorColumn {
  const char *title, *statistic;
  int width;
  bool largest = false;
};
constexpr std::array<MonitorColumn, 8> kMonitorColumns{{{"coherence", "coherence", 10},
                                                        {"key part.", "key_participation", 10},
                                                        {"k90", "k90", 7},
                                                        {"eff.rank", "effective_rank", 9},
                                                        {"stab.rank", "stable_rank", 10},
                                                        {"max logit", "max_logit", 10, true},
                                                        {"att.nats", "attention_entropy", 9},
                                                        {"sink", "sink_first", 9}}};

Reading shown(const StepValues& step, const MonitorColumn& column) {
  return quantile(step.readings(followed(column.statistic)), column.largest ? 1 : 0.5);
}

std::string band_text(const Alert& alert) {
  if (std::isnan(alert.low) && std::isnan(alert.high)) return "";
  if (std::isnan(alert.low)) return fmt::format(", at most {:.4g}", alert.high);
  if (std::isnan(alert.high)) return fmt::format(", at least {:.4g}", alert.low);
  return fmt::format(", band {:.4g} to {:.4g}", alert.low, alert.high);
}

}  // namespace

std::string monitor_header() {
  std::string out = fmt::format("{:>8}{:>10}", "step", "loss");
  for (const MonitorColumn& column : kMonitorColumns) out += fmt::format("{:>{}}", column.title, column.width);
  return out + fmt::format("{:>{}}\n", "alerts", kRowWidth - out.size());
}

std::string monitor_row(const MonitorStore& store, const StepValues& step) {
  const std::size_t alerts = store.alerts_of(step.step).size();
  std::string out = fmt::format("{:>8}", step.step);
  if (step.measured()) {
    out += fmt::format("{:>10}", text_of(Reading::known(step.loss)));
    for (const MonitorColumn& column : kMonitorColumns)
      out += fmt::format("{:>{}}", text_of(shown(step, column)), column.width);
  } else {
    out += fmt::format("  not measured: {} tensors hold NaN or infinity", step.not_finite.size());
  }
  return out + fmt::format("{:>{}}\n", alerts == 0 ? "-" : std::to_string(alerts), kRowWidth - out.size());
}

std::string alert_list(const std::vector<Alert>& alerts) {
  std::string out;
  for (std::size_t i = 0; i < std::min(alerts.size(), kShownAlerts); ++i) {
    const Alert& a = alerts[i];
    std::string place = a.kind == AlertKind::model_drift ? "all heads"
                        : a.layer < 0                    ? "outside the layers (embedding, output)"
                                                         : fmt::format("layer {}", a.layer);
    if (a.head >= 0) place += fmt::format(", head {}", a.head);
    const std::string value = std::isnan(a.value) ? "" : fmt::format(" {:.4g}", a.value);
    out += fmt::format("step {:>6}, {}: {}: {}{}{}\n", a.step, place, alert_name(a.kind), a.statistic, value,
                       band_text(a));
  }
  if (alerts.size() > kShownAlerts) out += fmt::format("... and {} more\n", alerts.size() - kShownAlerts);
  return out;
}

}  // namespace logitfield
