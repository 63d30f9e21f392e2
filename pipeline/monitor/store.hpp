#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/run/run_lock.hpp"
#include "io/run/step_folders.hpp"
#include "pipeline/monitor/alerts.hpp"
#include "pipeline/monitor/head_series.hpp"

namespace logitfield {

/// The files of a monitor (see docs/run-folder.md).
struct MonitorFolder {
  std::filesystem::path root;

  std::filesystem::path manifest() const { return root / "monitor.json"; }
  std::filesystem::path lock() const { return root / "lock"; }
  /// The run of a step, and the note about its checkpoint, written once the step is measured.
  std::filesystem::path run(std::int64_t step) const;
  std::filesystem::path note(std::int64_t step) const;
  std::filesystem::path series() const { return root / "series.csv"; }
  std::filesystem::path alerts() const { return root / "alerts.jsonl"; }
  std::filesystem::path scalars() const { return root / "scalars.jsonl"; }
  std::filesystem::path prometheus() const { return root / "monitor.prom"; }
  std::filesystem::path page() const { return root / "monitor.html"; }
};

/// A monitor's folder and its contents, on one rank. Its reports are derived from the runs of its steps, which are
/// ordinary run folders. monitor.json holds the thresholds and the properties that all steps share.
class MonitorStore {
 public:
  /// Opens the monitor in `root`, or starts one, and sets its thresholds. Throws InputError if the folder is something
  /// else, or if another process writes to it.
  MonitorStore(const std::filesystem::path& root, const Thresholds& thresholds);
  /// Opens it with its stored thresholds.
  explicit MonitorStore(const std::filesystem::path& root);
  static bool is_monitor(const std::filesystem::path& root);

  const MonitorFolder& folder() const { return folder_; }
  const Thresholds& thresholds() const { return thresholds_; }
  const HeadSeries& series() const { return series_; }
  /// Sorted by step.
  const std::vector<Alert>& alerts() const { return alerts_; }
  std::vector<Alert> alerts_of(std::int64_t step) const;

  /// The paths, as printable_line() shows them, of all checkpoints that have been measured; some may be gone.
  std::vector<std::filesystem::path> measured() const;
  /// Whether this checkpoint has been measured and has not changed since. Throws InputError if it was measured as
  /// another step.
  bool knows(const io::StepFolder& checkpoint) const;
  /// Throws InputError naming the checkpoint if it does not belong to the same series as earlier ones.
  void admit(const io::StepFolder& checkpoint, const nlohmann::json& manifest);
  /// Adds a step whose run is complete, or one whose weights are not finite. `stamps`: those of its files before it was
  /// read.
  void add(const io::StepFolder& checkpoint, const nlohmann::json& stamps, const Results& results);
  void add(const io::StepFolder& checkpoint, const nlohmann::json& stamps, const std::vector<NotFinite>& not_finite);

  /// Rewrites series.csv, alerts.jsonl, scalars.jsonl, monitor.prom and monitor.html.
  void write_derived() const;

 private:
  MonitorStore(const std::filesystem::path& root, const Thresholds* thresholds);
  void load();
  void note(const io::StepFolder& checkpoint, const nlohmann::json& stamps, const std::vector<NotFinite>& not_finite);
  void judge_from(std::int64_t step);
  void write_manifest() const;

  MonitorFolder folder_;
  io::RunLock lock_;
  Thresholds thresholds_;
  /// Properties that all steps must share; null before the first step.
  nlohmann::json common_;
  HeadSeries series_;
  std::vector<Alert> alerts_;
  /// The step that each measured checkpoint was taken for, by its path as printable_line() shows it.
  std::map<std::string, std::int64_t> steps_of_paths_;
};

/// series.csv: a row per step, layer and head. alerts.jsonl: a JSON object an alert.
void write_series_csv(const HeadSeries& series, const std::filesystem::path& path);
void write_alerts(const std::vector<Alert>& alerts, const std::filesystem::path& path);
/// A JSON object per step, with flat names: "layer_03/head_05/coherence".
void write_scalars(const MonitorStore& store, const std::filesystem::path& path);
/// The last measured step, in Prometheus' text format.
void write_prometheus(const MonitorStore& store, const std::filesystem::path& path);
std::string monitor_page(const MonitorStore& store);

/// Text for a terminal, at most 100 columns wide: the header of the table, the row of a step, and the alerts.
std::string monitor_header();
std::string monitor_row(const MonitorStore& store, const StepValues& step);
std::string alert_list(const std::vector<Alert>& alerts);

}  // namespace logitfield
