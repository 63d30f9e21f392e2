#include "io/descriptor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

std::string remedy(Access access, int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "the disk is full or the quota is used up: free space, or choose another disk, and run again";
    case EFBIG:
      return "the file is larger than allowed here: raise the limit (ulimit -f), or choose another file system";
    case EACCES:
    case EPERM:
    case EROFS:
      return access == Access::read ? "it is not readable: change its permissions"
                                    : "it is not writable: change the permissions, or choose another folder";
    case ENOENT:
      return "check the path";
    case ENOMEM:
      return "there is not enough memory or address space: raise the limit (ulimit -v), or free memory";
    default:
      return "check the path and the file system";
  }
}

struct stat status_of(int descriptor, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_system_error(path, Access::read, errno);
  return status;
}

}  // namespace

void throw_system_error(const std::filesystem::path& path, Access access, int error) {
  throw InputError("{}: cannot {}: {}; {}", path.string(), access == Access::read ? "read" : "write",
                   std::generic_category().message(error), remedy(access, error));
}

Descriptor::Descriptor(const std::filesystem::path& path, Access access, int flags)
    : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw_system_error(path, access, errno);
}

Descriptor Descriptor::of_regular_file(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe would otherwise wait for its writer.
  Descriptor file(path, Access::read, O_RDONLY | O_NONBLOCK);
  file.require_regular(path);
  return file;
}

void Descriptor::require_regular(const std::filesystem::path& path) const {
  const auto mode = status_of(descriptor_, path).st_mode;
  if (S_ISREG(mode)) return;
  throw InputError("{}: is a {}, not a regular file; give a file", path.string(),
                   S_ISDIR(mode)    ? "directory"
                   : S_ISFIFO(mode) ? "pipe"
                                    : "device");
}

std::size_t Descriptor::size(const std::filesystem::path& path) const {
  return static_cast<std::size_t>(status_of(descriptor_, path).st_size);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void Descriptor::close(const std::filesystem::path& path, Access access) {
  // Linux closes the descriptor even when a signal interrupts it.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) throw_system_error(path, access, errno);
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace logitfield::io
