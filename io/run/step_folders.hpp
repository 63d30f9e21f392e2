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
  /// The step in the folder's name; of a later stage whose steps begin anew, behind the last one of the stage before.
  std::int64_t step = 0;
  std::filesystem::path path;
  bool is_capture = false;
};

/// A checkpoint that has no place in the series, and why.
struct LeftOut {
  std::filesystem::path path;
  std::string reason;
};

/// The checkpoints of a series, and those without a place in it.
struct StepFolders {
  /// In the order of training.
  std::vector<StepFolder> found;
  std::vector<LeftOut> left_out;
  /// Measured before and gone, of stages before the last one that is there; in the order of training.
  std::vector<std::filesystem::path> gone;
};

/// Finds checkpoints (folders that hold config.json) and captures (capture.json) among `folders` and directly in them.
/// A checkpoint that holds checkpoints with steps is a folder of them, and a final model. Not even left out are
/// unfinished folders (".x", "tmp-x", "x.tmp") and links without a number ("latest"). Of the checkpoints that were
/// `measured` before, those that are gone keep their places, so that later stages keep their steps. Throws InputError,
/// naming it, for a folder that is missing or is none.
StepFolders find_step_folders(const std::vector<std::filesystem::path>& folders, const StepNames& names = {},
                              const std::vector<std::filesystem::path>& measured = {});

/// Name (as printable_line() shows it), size and last modification time of every file in a folder. Equal stamps mean
/// that nothing was written.
nlohmann::json file_stamps(const std::filesystem::path& folder);

}  // namespace logitfield::io
