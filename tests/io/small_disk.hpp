#pragma once
#include <sched.h>
#include <sys/mount.h>

#include "tests/io/temporary_folder.hpp"

namespace logitfield::testing {

/// A folder on its own disk with room for 64 KiB. Only root may mount one; skip the test where `available` is false.
class SmallDisk {
 public:
  static constexpr std::size_t size = 64 << 10;

  // Uses a mount namespace of this process, so that a crashed test leaves no mount behind.
  SmallDisk()
      : mounted_(::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                 ::mount("logitfield", folder_.path().c_str(), "tmpfs", 0, "size=64k") == 0) {}
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }

  bool available() const { return mounted_; }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_;
};

}  // namespace logitfield::testing
