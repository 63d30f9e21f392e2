#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/run/step_names.hpp"

namespace logitfield::io {

/// One checkpoint of a series, or a capture of one.
struct StepFolder {
  /// The step in the folder's name. If the steps of a later stage start again, they follow the last step of the stage
  /// before.
  std::int64_t step = 0;
  std::filesystem::path path;
  bool is_capture = false;
};

/// A checkpoint that does not belong to the series, and the reason.
struct LeftOut {
  std::filesystem::path path;
  std::string reason;
};

/// The checkpoints of a series, and those left out of it.
struct StepFolders {
  /// Checkpoints in the order of training.
  std::vector<StepFolder> found;
  std::vector<LeftOut> left_out;
  /// Checkpoints that were measured before and no longer exist, from stages before the last existing one, in the order
  /// of training.
  std::vector<std::filesystem::path> gone;
};

/// Finds checkpoints (folders that hold config.json) and captures (capture.json) among `folders` and directly in them.
/// A checkpoint that contains checkpoints with steps counts as their folder, and is left out as a final model.
/// Unfinished folders (".x", "tmp-x", "x.tmp") and links without a number ("latest") are ignored, not listed as left
/// out. Checkpoints that were `measured` before keep their places even if they no longer exist, so that later stages
/// keep their steps. Throws InputError naming the path if it is missing or not a folder.
StepFolders find_step_folders(const std::vector<std::filesystem::path>& folders, const StepNames& names = {},
                              const std::vector<std::filesystem::path>& measured = {});

/// Returns name (as printable_line() shows it), size and last modification time of every file in a folder. Equal stamps
/// mean that nothing was written.
nlohmann::json file_stamps(const std::filesystem::path& folder);

}  // namespace logitfield::io
