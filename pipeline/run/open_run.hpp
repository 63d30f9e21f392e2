#pragma once

#include "io/run/journal.hpp"
#include "io/run/run_folder.hpp"
#include "io/run/run_lock.hpp"
#include "pipeline/run/done.hpp"

namespace logitfield {

/// A run folder that this process writes to, and the work that earlier sessions finished.
struct OpenRun {
  io::RunFolder folder;
  io::RunLock lock;
  io::Journal journal;
  Done done;
};

/// Creates the folder and starts its journal. If either cannot be written, leaves nothing behind. Throws InputError if
/// the folder exists.
OpenRun start_run(const std::filesystem::path& root, const Job& job, const nlohmann::json& manifest);

/// Resumes a run with the same manifest. Starts the run if the folder is missing, or holds only the remains of a
/// session that was killed while starting. Throws InputError if another process writes to the folder, if it is not a
/// run folder, or if anything that decides the numbers differs, naming the difference.
OpenRun resume_run(const std::filesystem::path& root, const Job& job, const nlohmann::json& manifest);

}  // namespace logitfield
