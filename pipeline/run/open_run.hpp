#pragma once
#include <optional>

#include "io/run/journal.hpp"
#include "io/run/run_folder.hpp"
#include "io/run/run_lock.hpp"
#include "pipeline/run/done.hpp"

namespace logitfield {

/// A run folder that this process writes to, and what earlier sessions left in it.
struct OpenRun {
  io::RunFolder folder;
  io::RunLock lock;
  io::Journal journal;
  Done done;
};

/// Makes the folder and starts its journal; if either cannot be written, nothing is left behind. Throws InputError if
/// the folder exists.
OpenRun start_run(const std::filesystem::path& root, const Job& job, const nlohmann::json& manifest);

/// Goes on with a run whose manifest says the same; starts it where there is nothing yet, or nothing but what a session
/// that was killed while it started left. Throws InputError if another process writes to it, if the folder is not of a
/// run, or if anything that decides the numbers differs, naming it.
OpenRun resume_run(const std::filesystem::path& root, const Job& job, const nlohmann::json& manifest);

}  // namespace logitfield
