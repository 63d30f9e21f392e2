#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "io/descriptor.hpp"

namespace logitfield::io {

/// The process that works on a run, as the lock file names it.
struct LockHolder {
  std::string host;
  std::int64_t pid = 0;
  /// SLURM_JOB_ID; empty outside a job.
  std::string job;
  std::string since;
};

/// Locks a run folder for one process: flock(2) on the file `lock`, which the system releases when the process ends,
/// however it ends. On a file system without such locks, the holder's name in the file serves as the lock.
class RunLock {
 public:
  /// Throws InputError if another process holds the lock, or may still hold it, naming host, pid, job and remedy.
  RunLock(std::filesystem::path path, const LockHolder& self);
  RunLock(RunLock&& other) noexcept = default;
  RunLock& operator=(RunLock&& other) noexcept = delete;
  /// Empties the file, so that nobody holds the run.
  ~RunLock();

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

/// Describes this process.
LockHolder this_process();

}  // namespace logitfield::io
