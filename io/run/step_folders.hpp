#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace logitfield::io {

/// One checkpoint of a series, or a capture of one.
struct StepFolder {
  /// The last number in the folder's name.
  std::int64_t step = 0;
  std::filesystem::path path;
  bool is_capture = false;
};

/// Finds checkpoints (folders that hold config.json) and captures (capture.json) among `folders` and directly in them,
/// ordered by step. Left out are unfinished folders (".x", "tmp-x", "x.tmp") and links without a number ("latest").
/// Throws InputError, naming folders, for one that is missing or no folder, a name without a number, and two of the
/// same step.
std::vector<StepFolder> find_step_folders(const std::vector<std::filesystem::path>& folders);

/// Name, size and last modification time of every file in a folder. Equal stamps mean that nothing was written.
nlohmann::json file_stamps(const std::filesystem::path& folder);

}  // namespace logitfield::io
