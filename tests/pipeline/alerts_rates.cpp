// Rates of false alerts and delays of true ones: makes the tables of docs/monitor.md from synthetic series.
//
//   alerts_rates [SERIES] [TRIALS] [--alert-band B] [--only TEXT]
//
// --only: runs only healthy kinds and faults whose names contain TEXT.
// False alarms are given per 1,000 head-checkpoints, all statistics together: SERIES (5) series of each healthy kind,
// with 200 heads and 200 checkpoints each. Each fault is inserted at checkpoint 50 of TRIALS (100) series of 32 heads
// and 100 checkpoints.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "tests/pipeline/alert_series.hpp"

namespace {

using namespace logitfield;
using namespace logitfield::testing;

void print_false_alarms(std::uint64_t count, const Thresholds& thresholds, const std::string& only) {
  fmt::print("| healthy series | false alarms per 1,000 head-checkpoints | of which |\n|---|---|---|\n");
  for (const HealthyKind& kind : healthy_kinds()) {
    if (kind.name.find(only) == std::string::npos) continue;
    std::map<std::string, std::int64_t> found;
    std::int64_t total = 0;
    constexpr Shape shape;
    for (std::uint64_t seed = 1; seed <= count; ++seed) {
      Healthy healthy(shape, seed);
      const HeadSeries series = kind.make(healthy);
      for (std::size_t i = 0; i < series.steps.size(); ++i) {
        for (const Alert& a : alerts_at(series, i, thresholds)) {
          ++found[std::string(alert_name(a.kind))];
          ++total;
        }
      }
    }
    const double places = static_cast<double>(count) * static_cast<double>(shape.size()) * double(shape.steps);
    std::string kinds;
    for (const auto& [name, number] : found) kinds += fmt::format("{}{} `{}`", kinds.empty() ? "" : ", ", number, name);
    fmt::print("| {} | {:.3f} | {} |\n", kind.name, 1e3 * static_cast<double>(total) / places, kinds);
    std::fflush(stdout);
  }
}

void print_faults(std::uint64_t count, const Thresholds& thresholds, const std::string& only) {
  struct Base {
    const char* name;
    HeadSeries (*make)(Healthy&);
  };
  constexpr std::array<Base, 3> bases{{{"sd 5 %, width 0.5", [](Healthy& h) { return h.unequal(0.05, 0.5); }},
                                       {"sd 10 %", [](Healthy& h) { return h.normal(0.1); }},
                                       {"learning", [](Healthy& h) { return h.learning(-0.08, 0.024, 0.02, 0.5); }}}};
  fmt::print("\n| fault |");
  for (const Base& base : bases) fmt::print(" {} |", base.name);
  fmt::print("\n|---|---|---|---|\n");
  for (const Fault& fault : faults()) {
    if (fault.name.find(only) == std::string::npos) continue;
    fmt::print("| {} |", fault.name);
    for (const Base& base : bases) {
      std::vector<std::int64_t> delays;
      for (std::uint64_t seed = 1; seed <= count; ++seed) {
        Healthy healthy(kFaulty, 1000 + seed);
        HeadSeries series = base.make(healthy);
        fault.put(series);
        if (const std::int64_t delay = delay_of(fault, series, thresholds); delay > 0) delays.push_back(delay);
      }
      std::ranges::sort(delays);
      const double share = 100 * static_cast<double>(delays.size()) / static_cast<double>(count);
      const std::string when = delays.empty() ? "" : fmt::format(": {}, {}", delays[delays.size() / 2], delays.back());
      fmt::print(" {:.0f} %{} |", share, when);
      std::fflush(stdout);
    }
    fmt::print("\n");
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::uint64_t> numbers{5, 100};
  Thresholds thresholds;
  std::string only;
  std::size_t place = 0;
  for (int i = 1; i < count; ++i) {
    if (arguments[i] == std::string_view("--alert-band") && i + 1 < count) {
      thresholds.band = std::strtod(arguments[++i], nullptr);
    } else if (arguments[i] == std::string_view("--only") && i + 1 < count) {
      only = arguments[++i];
    } else if (place < numbers.size()) {
      numbers[place++] = std::strtoull(arguments[i], nullptr, 10);
    }
  }
  if (numbers[0] > 0) print_false_alarms(numbers[0], thresholds, only);
  if (numbers[1] > 0) print_faults(numbers[1], thresholds, only);
}
