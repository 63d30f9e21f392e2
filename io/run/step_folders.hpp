#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace logitfield::io {

/// A checkpoint of a series, or a capture of one.
struct StepFolder {
  /// The last number of its name.
  std::int64_t step = 0;
  std::filesystem::path path;
  bool is_capture = false;
};

/// The checkpoints (folders that hold config.json) and captures (capture.json) among `folders` and directly in them, by
/// step. Folders that are being made are left out: ".x", "tmp-x", "x.tmp". So are links without a number ("latest").
/// Throws InputError, naming folders, for one that is missing or no folder, a name without a number, and two of the
/// same step.
std::vector<StepFolder> find_step_folders(const std::vector<std::filesystem::path>& folders);

/// Name, size and time of last change of every file in a folder: equal stamps, nothing was written.
nlohmann::json file_stamps(const std::filesystem::path& folder);

}  // namespace logitfield::io
