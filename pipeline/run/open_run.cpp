#include "pipeline/run/open_run.hpp"

#include <fmt/ranges.h>

#include "io/console.hpp"
#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "pipeline/results/manifest_differences.hpp"
#include "pipeline/run/capture_dump.hpp"

namespace logitfield {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Checks that a run may start in this folder: it may only hold files that a run creates when it starts.
void require_ours(const io::RunFolder& folder) {
  for (const auto& entry : fs::directory_iterator(folder.root)) {
    const std::string name = entry.path().filename().string();
    const bool ours =
        name == "lock" || name == "state" || name.starts_with("journal") || name.starts_with("manifest.json");
    if (!ours) {
      throw InputError("{}: is not a run folder (it holds '{}' and no manifest.json); choose another for --out",
                       folder.root.string(), name);
    }
  }
}

/// Writes the first files of a new run, whose lock is held.
io::Journal write_first(const io::RunFolder& folder, const json& manifest) {
  io::write_atomically(folder.manifest(), manifest.dump(1) + "\n");
  fs::create_directories(folder.state());
  return io::Journal::create(folder.journal());
}

/// Opens a run that has been started; its journal may still be missing.
OpenRun go_on(const io::RunFolder& folder, io::RunLock lock, const Job& job, const json& manifest) {
  const json before = io::read_json(folder.manifest());
  io::required<std::string>(before, "format", folder.manifest().string());
  const std::vector<std::string> differences = manifest_differences(before, manifest);
  if (!differences.empty()) {
    throw InputError("{}: this run cannot be resumed with other settings: {}; give the same options, or another --out",
                     folder.manifest().string(), fmt::join(differences, "; "));
  }
  fs::create_directories(folder.state());
  resume_captures(job);
  if (!fs::exists(folder.journal())) {
    return {folder, std::move(lock), io::Journal::create(folder.journal()), nothing_done(job)};
  }
  const io::JournalContent content = io::read_journal(folder.journal());
  if (!content.damage.empty()) {
    io::tell("warning: {}; the lost results are measured again", io::damage_text(folder.journal(), content));
  }
  Done done = find_done(job, load_results(folder, content), folder.state());
  return {folder, std::move(lock), io::Journal::extend(folder.journal(), content), std::move(done)};
}

}  // namespace

OpenRun start_run(const fs::path& root, const Job& job, const json& manifest) {
  start_captures(job);
  const io::RunFolder folder = io::create_run_folder(root);
  try {
    io::RunLock lock(folder.lock(), io::this_process());
    return {folder, std::move(lock), write_first(folder, manifest), nothing_done(job)};
  } catch (...) {
    fs::remove_all(folder.root);
    throw;
  }
}

OpenRun resume_run(const fs::path& root, const Job& job, const json& manifest) {
  const io::RunFolder folder{fs::absolute(root)};
  if (!fs::exists(folder.root)) return start_run(root, job, manifest);
  if (!fs::is_directory(folder.root)) throw InputError("{}: is a file; --out must name a folder", root.string());
  if (fs::exists(folder.manifest())) {
    return go_on(folder, io::RunLock(folder.lock(), io::this_process()), job, manifest);
  }
  require_ours(folder);
  io::RunLock lock(folder.lock(), io::this_process());
  resume_captures(job);
  return {folder, std::move(lock), write_first(folder, manifest), nothing_done(job)};
}

}  // namespace logitfield
