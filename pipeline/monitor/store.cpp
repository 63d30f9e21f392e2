#include "pipeline/monitor/store.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "io/printable.hpp"
#include "io/run/run_folder.hpp"
#include "pipeline/results/manifest_differences.hpp"

namespace logitfield {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kMonitorFormat = "logitfield-monitor";

json describe(const Thresholds& t) {
  return {{"band", t.band},         {"window", t.window}, {"history", t.history},    {"confirm", t.confirm},
          {"collapse", t.collapse}, {"chance", t.chance}, {"max_logit", t.max_logit}};
}

Thresholds read_thresholds(const json& t) {
  return {t.at("band"),     t.at("window"), t.at("history"),  t.at("confirm"),
          t.at("collapse"), t.at("chance"), t.at("max_logit")};
}

/// The part of the manifest that steps of one series share: everything that training does not change.
json common_part(json manifest) {
  json& model = manifest.at("model");
  for (const char* key : {"hash", "path", "name", "sinks", "source"}) model.erase(key);
  if (model.at("kind") == "capture") manifest.at("texts") = manifest.at("texts").size();
  return manifest;
}

/// The note about a measured checkpoint.
struct StepNote {
  std::int64_t step;
  std::string path;
  json files;
  std::vector<NotFinite> not_finite;
};

StepNote read_note(const fs::path& path) {
  const json note = io::read_json(path);
  try {
    return {io::required<std::int64_t>(note, "step", path.string()), note.at("path"), note.at("files"),
            note.at("not_finite").get<std::vector<NotFinite>>()};
  } catch (const json::exception& error) {
    throw InputError(
        "{}: is not a note about a checkpoint ({}); copy it again, or remove it to measure the checkpoint again",
        path.string(), error.what());
  }
}

MonitorFolder open_folder(const fs::path& root) {
  MonitorFolder folder{fs::absolute(root)};
  if (MonitorStore::is_monitor(folder.root)) return folder;
  if (!fs::exists(folder.root)) {
    io::create_run_folder(folder.root);
    return folder;
  }
  if (!fs::is_directory(folder.root)) throw InputError("{}: is a file; --out must name a folder", root.string());
  for (const auto& entry : fs::directory_iterator(folder.root)) {
    const std::string name = entry.path().filename().string();
    if (name == "lock" || name.starts_with("monitor.json")) continue;  // left by a start that was killed
    throw InputError("{}: is not a monitor's folder (it holds '{}' and no monitor.json); choose another for --out",
                     root.string(), name);
  }
  return folder;
}

}  // namespace

fs::path MonitorFolder::run(std::int64_t step) const { return root / fmt::format("step_{:06}", step); }
fs::path MonitorFolder::note(std::int64_t step) const { return root / fmt::format("step_{:06}.json", step); }

bool MonitorStore::is_monitor(const fs::path& root) { return fs::is_regular_file(root / "monitor.json"); }

MonitorStore::MonitorStore(const fs::path& root, const Thresholds* thresholds)
    : folder_(open_folder(root)), lock_(folder_.lock(), io::this_process()) {
  if (thresholds) thresholds_ = *thresholds;
  if (is_monitor(folder_.root)) {
    const json manifest = io::read_json(folder_.manifest());
    try {
      if (manifest.at("format") != kMonitorFormat || manifest.at("version") != 1) throw InputError("another format");
      if (!thresholds) thresholds_ = read_thresholds(manifest.at("thresholds"));
      common_ = manifest.at("common");
    } catch (const std::exception& error) {
      throw InputError("{}: was not written by a monitor of this version ({})", folder_.manifest().string(),
                       error.what());
    }
  }
  load();
  if (series_.steps.empty()) common_ = nullptr;  // the first step was stopped
  write_manifest();
}

MonitorStore::MonitorStore(const fs::path& root, const Thresholds& thresholds) : MonitorStore(root, &thresholds) {}
MonitorStore::MonitorStore(const fs::path& root) : MonitorStore(root, nullptr) {}

void MonitorStore::write_manifest() const {
  const json manifest{{"format", kMonitorFormat},
                      {"version", 1},
                      {"program", "logitfield " LOGITFIELD_VERSION},
                      {"thresholds", describe(thresholds_)},
                      {"common", common_}};
  io::write_atomically(folder_.manifest(), manifest.dump(1) + "\n");
}

void MonitorStore::load() {
  std::vector<StepNote> notes;
  for (const auto& entry : fs::directory_iterator(folder_.root)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step_") && name.ends_with(".json")) notes.push_back(read_note(entry.path()));
  }
  std::ranges::sort(notes, {}, &StepNote::step);
  for (const StepNote& note : notes) {
    steps_of_paths_[note.path] = note.step;
    if (note.not_finite.empty()) {
      const Results results = load_results(io::open_run_folder(folder_.run(note.step)));
      add_step(results, step_values(note.step, results), series_);
    } else {
      add_step({note.step, kernels::kUndefined, {}, {}, note.not_finite, {}}, series_);
    }
    judge_from(note.step);
  }
}

std::vector<Alert> MonitorStore::alerts_of(std::int64_t step) const {
  std::vector<Alert> out;
  std::ranges::copy_if(alerts_, std::back_inserter(out), [&](const Alert& alert) { return alert.step == step; });
  return out;
}

std::vector<fs::path> MonitorStore::measured() const {
  std::vector<fs::path> out;
  for (const auto& [path, step] : steps_of_paths_) out.emplace_back(path);
  return out;
}

bool MonitorStore::knows(const io::StepFolder& checkpoint) const {
  const auto before = steps_of_paths_.find(io::printable_line(checkpoint.path.string()));
  if (before != steps_of_paths_.end() && before->second != checkpoint.step) {
    throw InputError(
        "{}: is step {} now but was measured as step {}, because --step-pattern changed or checkpoints of an earlier "
        "stage were added; give the same pattern and checkpoints, or another --out",
        checkpoint.path.string(), checkpoint.step, before->second);
  }
  const fs::path note = folder_.note(checkpoint.step);
  return fs::exists(note) && read_note(note).files == io::file_stamps(checkpoint.path);
}

void MonitorStore::admit(const io::StepFolder& checkpoint, const json& manifest) {
  const json common = common_part(manifest);
  if (common_.is_null()) {
    common_ = common;
    write_manifest();
    return;
  }
  const std::vector<std::string> differences = manifest_differences(common_, common);
  if (differences.empty()) return;
  throw InputError(
      "{}: does not belong to the series in {}: {}; give the same options and checkpoints, or another --out",
      checkpoint.path.string(), folder_.root.string(), fmt::join(differences, "; "));
}

void MonitorStore::note(const io::StepFolder& checkpoint, const json& stamps,
                        const std::vector<NotFinite>& not_finite) {
  const std::string path = io::printable_line(checkpoint.path.string());
  const json note{{"step", checkpoint.step}, {"path", path}, {"files", stamps}, {"not_finite", not_finite}};
  io::write_atomically(folder_.note(checkpoint.step), note.dump(1) + "\n");
  steps_of_paths_[path] = checkpoint.step;
}

void MonitorStore::add(const io::StepFolder& checkpoint, const json& stamps, const Results& results) {
  note(checkpoint, stamps, {});
  add_step(results, step_values(checkpoint.step, results), series_);
  judge_from(checkpoint.step);
}

void MonitorStore::add(const io::StepFolder& checkpoint, const json& stamps, const std::vector<NotFinite>& not_finite) {
  note(checkpoint, stamps, not_finite);
  add_step({checkpoint.step, kernels::kUndefined, {}, {}, not_finite, {}}, series_);
  judge_from(checkpoint.step);
}

void MonitorStore::judge_from(std::int64_t step) {
  std::erase_if(alerts_, [&](const Alert& alert) { return alert.step >= step; });
  for (std::size_t i = 0; i < series_.steps.size(); ++i) {
    if (series_.steps[i].step < step) continue;
    std::ranges::move(alerts_at(series_, i, thresholds_), std::back_inserter(alerts_));
  }
}

void MonitorStore::write_derived() const {
  write_series_csv(series_, folder_.series());
  write_alerts(alerts_, folder_.alerts());
  write_scalars(*this, folder_.scalars());
  write_prometheus(*this, folder_.prometheus());
  io::write_atomically(folder_.page(), monitor_page(*this));
}

}  // namespace logitfield
