#include "io/run/step_folders.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "io/capture/capture_format.hpp"
#include "io/error.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDigits = "0123456789";

/// Makes "folder/" name the folder itself.
fs::path whole_path(const fs::path& folder) { return fs::absolute(folder / "").lexically_normal().parent_path(); }

/// 500 for "checkpoint-500"; empty if there is no number or it does not fit.
std::optional<std::int64_t> last_number(const std::string& name) {
  const auto end = name.find_last_of(kDigits);
  if (end == std::string::npos) return std::nullopt;
  const auto before = name.find_last_not_of(kDigits, end);
  const char* first = name.data() + (before == std::string::npos ? 0 : before + 1);
  std::int64_t step = 0;
  if (std::from_chars(first, name.data() + end + 1, step).ec != std::errc{}) return std::nullopt;
  return step;
}

bool is_being_made(const std::string& name) {
  return name.starts_with('.') || name.starts_with("tmp") || name.ends_with(".tmp");
}

/// Returns whether it was one.
bool add_if_checkpoint(const fs::path& path, std::vector<StepFolder>& out) {
  const bool is_capture = fs::exists(capture_info_path(path));
  if (!is_capture && !fs::exists(path / "config.json")) return false;
  const auto step = last_number(path.filename().string());
  if (!step) {
    throw InputError("{}: its name holds no number that could be its step; name it like step_000128", path.string());
  }
  out.push_back({*step, path, is_capture});
  return true;
}

void add_inside(const fs::path& folder, std::vector<StepFolder>& out) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::error_code gone;
    if (!entry.is_directory(gone) || is_being_made(name)) continue;
    if (entry.is_symlink(gone) && !last_number(name)) continue;
    add_if_checkpoint(entry.path(), out);
  }
}

}  // namespace

std::vector<StepFolder> find_step_folders(const std::vector<fs::path>& folders) {
  std::vector<StepFolder> out;
  for (const fs::path& folder : folders) {
    const fs::path path = whole_path(folder);
    if (!fs::is_directory(path)) {
      throw InputError("{}: is no folder; --checkpoints names checkpoints, or folders of them", path.string());
    }
    if (!add_if_checkpoint(path, out)) add_inside(path, out);
  }
  std::ranges::sort(out, {}, [](const StepFolder& f) { return std::pair(f.step, f.path); });
  const auto same = std::ranges::adjacent_find(out, {}, &StepFolder::step);
  if (same != out.end()) {
    throw InputError("{} and {} are both of step {}; rename or leave out one of them", same->path.string(),
                     (same + 1)->path.string(), same->step);
  }
  return out;
}

nlohmann::json file_stamps(const fs::path& folder) {
  nlohmann::json out = nlohmann::json::object();
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (!entry.is_regular_file(gone)) continue;
    const auto changed = entry.last_write_time(gone).time_since_epoch();
    out[entry.path().filename().string()] = {entry.file_size(gone), changed.count()};
  }
  return out;
}

}  // namespace logitfield::io
