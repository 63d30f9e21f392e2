#include "io/run/run_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/run/clock_text.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestLock = 4096;

/// Nothing if the file is empty, or was truncated while it was written.
std::optional<LockHolder> read_holder(const fs::path& path) {
  const auto object = nlohmann::json::parse(read_file(path, kLongestLock), nullptr, false);
  if (!object.is_object()) return std::nullopt;
  return LockHolder{object.value("host", ""), object.value("pid", std::int64_t{0}), object.value("job", ""),
                    object.value("since", "")};
}

void write_holder(const Descriptor& file, const fs::path& path, const LockHolder& holder) {
  const nlohmann::json object{{"host", holder.host}, {"pid", holder.pid}, {"job", holder.job}, {"since", holder.since}};
  const std::string text = object.dump() + "\n";
  if (::ftruncate(file.get(), 0) != 0) throw_system_error(path, Access::write, errno);
  write_at(path, 0, std::as_bytes(std::span(text)));
}

[[noreturn]] void refuse(const fs::path& path, const std::optional<LockHolder>& holder, const std::string& remedy) {
  const LockHolder h = holder.value_or(LockHolder{});
  throw InputError("{}: the run is being written by process {} on {}{}, since {}; {}", path.string(), h.pid,
                   h.host.empty() ? "an unknown host" : h.host,
                   h.job.empty() ? "" : fmt::format(" (SLURM job {})", h.job),
                   h.since.empty() ? "an unknown time" : h.since, remedy);
}

bool is_alive(std::int64_t pid) { return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM; }

/// For file systems without locks: tells whether the holder has certainly ended. A process of this host is looked up. A
/// requeued job has ended its earlier processes.
bool is_stale(const LockHolder& holder, const LockHolder& self) {
  if (holder.host == self.host) return !is_alive(holder.pid);
  return !holder.job.empty() && holder.job == self.job;
}

}  // namespace

RunLock::RunLock(fs::path path, const LockHolder& self)
    : path_(std::move(path)), file_(path_, Access::write, O_RDWR | O_CREAT | O_NONBLOCK) {
  file_.require_regular(path_);
  const bool locked = ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
  const int error = locked ? 0 : errno;
  const std::optional<LockHolder> holder = read_holder(path_);
  if (error == EWOULDBLOCK) refuse(path_, holder, "wait for it, stop it, or choose another run folder");
  if (!locked && error != ENOLCK && error != ENOSYS && error != EOPNOTSUPP) {
    throw_system_error(path_, Access::write, error);
  }
  if (!locked && holder && !is_stale(*holder, self)) {
    refuse(path_, holder,
           "this file system has no locks that could tell whether it still runs: if it has ended, remove this file");
  }
  write_holder(file_, path_, self);
}

RunLock::~RunLock() {
  // A moved-from lock holds nothing. If truncation fails, the file names a dead holder, which the next process detects.
  if (file_.get() >= 0) (void)!::ftruncate(file_.get(), 0);
}

LockHolder this_process() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const char* job = std::getenv("SLURM_JOB_ID");
  return {host.data(), ::getpid(), job ? job : "", utc_now()};
}

}  // namespace logitfield::io
