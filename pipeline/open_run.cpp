#include "pipeline/open_run.hpp"

#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string_view>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "pipeline/capture_dump.hpp"

namespace logitfield {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Where and how fast, not what: these may differ from session to session. By JSON pointer.
bool is_of_sessions(std::string_view pointer) {
  for (const std::string_view key :
       {"/started", "/grid", "/weights", "/hosts", "/mpi", "/model/path", "/tokenization/tokenizer"}) {
    if (pointer.starts_with(key) && (pointer.size() == key.size() || pointer[key.size()] == '/')) return true;
  }
  return pointer.starts_with("/routes/") && pointer.ends_with("/shared");
}

/// What decides the numbers, by JSON pointer, as JSON. One of a kind: the dense routes give the same numbers, on one
/// rank or several, and so does every version of a back end's library.
std::map<std::string, std::string> decisive_values(const json& manifest) {
  std::map<std::string, std::string> out;
  json values = manifest.flatten();
  for (auto& [pointer, value] : values.items()) {
    if (is_of_sessions(pointer)) continue;
    if (pointer == "/backend" && value.is_string()) {
      const std::string text = value.get<std::string>();
      value = text.substr(0, text.find(' '));
    }
    if (value == "scalapack") value = "dense";
    out.emplace(pointer, value.dump());
  }
  return out;
}

/// May a run start in this folder? Only if it holds nothing but what the start of a run makes.
void require_ours(const io::RunFolder& folder) {
  for (const auto& entry : fs::directory_iterator(folder.root)) {
    const std::string name = entry.path().filename().string();
    const bool ours =
        name == "lock" || name == "state" || name.starts_with("journal") || name.starts_with("manifest.json");
    if (!ours) {
      throw InputError("{}: is no run folder (it holds '{}' and no manifest.json); choose another for --out",
                       folder.root.string(), name);
    }
  }
}

/// Of a new run; its lock is held.
io::Journal write_first(const io::RunFolder& folder, const json& manifest) {
  io::write_atomically(folder.manifest(), manifest.dump(1) + "\n");
  fs::create_directories(folder.state());
  return io::Journal::create(folder.journal());
}

/// Of a run that has been started: the journal may be missing still.
OpenRun go_on(const io::RunFolder& folder, io::RunLock lock, const Job& job, const json& manifest) {
  const json before = io::read_json(folder.manifest());
  io::required<std::string>(before, "format", folder.manifest().string());
  const std::vector<std::string> differences = manifest_differences(before, manifest);
  if (!differences.empty()) {
    throw InputError("{}: this run cannot go on with other settings: {}; give the same options, or another --out",
                     folder.manifest().string(), fmt::join(differences, "; "));
  }
  fs::create_directories(folder.state());
  resume_captures(job);
  if (!fs::exists(folder.journal())) {
    return {folder, std::move(lock), io::Journal::create(folder.journal()), nothing_done(job)};
  }
  const io::JournalContent content = io::read_journal(folder.journal());
  Done done = find_done(job, load_results(folder, content), folder.state());
  return {folder, std::move(lock), io::Journal::extend(folder.journal(), content.valid_bytes), std::move(done)};
}

}  // namespace

std::vector<std::string> manifest_differences(const json& before, const json& now) {
  const std::map<std::string, std::string> old_values = decisive_values(before), new_values = decisive_values(now);
  std::set<std::string> pointers;
  for (const auto* values : {&old_values, &new_values}) {
    for (const auto& [pointer, value] : *values) pointers.insert(pointer);
  }
  const auto value_of = [](const std::map<std::string, std::string>& values, const std::string& pointer) {
    const auto found = values.find(pointer);
    return found == values.end() ? "nothing" : found->second;
  };
  std::vector<std::string> out;
  for (const std::string& pointer : pointers) {
    const std::string old_value = value_of(old_values, pointer), new_value = value_of(new_values, pointer);
    if (old_value != new_value)
      out.push_back(fmt::format("{}: {} before, {} now", pointer.substr(1), old_value, new_value));
  }
  return out;
}

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
  if (!fs::is_directory(folder.root)) throw InputError("{}: is a file; --out names a run's folder", root.string());
  if (fs::exists(folder.manifest())) {
    return go_on(folder, io::RunLock(folder.lock(), io::this_process()), job, manifest);
  }
  require_ours(folder);
  io::RunLock lock(folder.lock(), io::this_process());
  resume_captures(job);
  return {folder, std::move(lock), write_first(folder, manifest), nothing_done(job)};
}

}  // namespace logitfield
