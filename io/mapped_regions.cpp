#include "io/mapped_regions.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include "io/printable.hpp"

namespace logitfield::io {
namespace {

struct Region {
  std::size_t size;
  std::string path;
};

struct Regions {
  std::mutex mutex;
  /// Regions by the address of their first byte.
  std::map<const std::byte*, Region> all;
};

/// Never destroyed: files may be unmapped while the program ends.
Regions& regions() {
  static Regions* const kept = new Regions;
  return *kept;
}

int code_of_lost_page = 1;

/// "PATH: byte N", if the address lies in a mapped file.
std::optional<std::string> place_of(const std::byte* address) {
  const std::lock_guard lock(regions().mutex);
  auto after = regions().all.upper_bound(address);
  if (after == regions().all.begin()) return std::nullopt;
  const auto& [begin, region] = *--after;
  if (address >= begin + region.size) return std::nullopt;
  return fmt::format("{}: byte {}", printable(region.path), address - begin);
}

void say(const std::string& text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // there is no reader
}

/// May allocate and lock: the signal comes from reading a mapped page, never from inside malloc or the lock.
void on_lost_page(int signal, siginfo_t* info, void*) {
  const bool was_sent = info->si_code <= 0;
  if (!was_sent) {
    if (const auto place = place_of(static_cast<const std::byte*>(info->si_addr))) {
      say("logitfield: error: " + *place +
          " can no longer be read: the file was cut off while it was in use, or its disk failed; let nobody write to "
          "the file, copy or download it again if it is damaged, and run again\n");
      ::_exit(code_of_lost_page);
    }
    say("logitfield: error: a page of file-backed memory is not available; the disk of shared memory (/dev/shm) or "
        "of temporary files is probably full: free space there, and run again\n");
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void remember_mapped(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  const std::lock_guard lock(regions().mutex);
  regions().all[bytes.data()] = {bytes.size(), path.string()};
}

void forget_mapped(std::span<const std::byte> bytes) {
  const std::lock_guard lock(regions().mutex);
  regions().all.erase(bytes.data());
}

void tell_of_lost_pages(int exit_code) {
  code_of_lost_page = exit_code;
  struct sigaction action {};
  action.sa_sigaction = on_lost_page;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  if (sigaction(SIGBUS, &action, nullptr) != 0) throw std::runtime_error("sigaction failed");
}

}  // namespace logitfield::io
