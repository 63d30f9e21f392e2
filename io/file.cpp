#include "io/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

std::size_t read_some(const Descriptor& file, const fs::path& path, std::span<char> target) {
  ssize_t count = 0;
  do {
    count = ::read(file.get(), target.data(), target.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw_system_error(path, Access::read, errno);
  return static_cast<std::size_t>(count);
}

/// A file that is removed on destruction unless it was renamed before.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : path_(target.string() + "." + std::to_string(::getpid()) + ".tmp") {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Makes the rename survive a power failure. Some network file systems cannot sync a folder; this is no error.
void sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  ::fsync(Descriptor(folder, Access::read, O_RDONLY | O_DIRECTORY).get());
}

/// Returns the errno of a failure, or 0. Does not use posix_fallocate: if the file system cannot reserve space, that
/// function writes into every block, which is very slow over a network.
int reserve(const Descriptor& file, off_t size) {
  int result = 0;
  do {
    result = ::fallocate(file.get(), 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ::ftruncate(file.get(), size);
  return result == 0 ? 0 : errno;
}

}  // namespace

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_system_error(path, Access::write, error.value());
}

std::string read_file(const fs::path& path, std::size_t limit) {
  constexpr std::size_t kPiece = 1 << 16;
  const Descriptor file = Descriptor::of_regular_file(path);
  const auto check = [&](std::size_t size) {
    if (size > limit)
      throw InputError("{}: larger than the {} bytes allowed; is it the right file?", path.string(), limit);
  };
  check(file.size(path));
  std::string content;
  content.reserve(file.size(path) + kPiece);
  for (std::size_t used = 0;;) {
    content.resize(used + kPiece);
    const std::size_t count = read_some(file, path, std::span(content).subspan(used));
    used += count;
    content.resize(used);
    if (count == 0) return content;
    check(used);
  }
}

void write_atomically(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const TemporaryFile temporary(path);
  write(temporary.path());
  sync_and_rename(temporary.path(), path);
}

void write_atomically(const fs::path& path, std::string_view content) {
  write_atomically(
      path, [&](const fs::path& temporary) { OutputFile(temporary, true).write(std::as_bytes(std::span(content))); });
}

void create_sized(const fs::path& path, std::span<const std::byte> head, std::size_t size) {
  Descriptor file(path, Access::write, O_WRONLY | O_CREAT | O_TRUNC);
  if (const int error = reserve(file, static_cast<off_t>(size))) {
    ::unlink(path.c_str());
    throw_system_error(path, Access::write, error);
  }
  file.close(path, Access::write);
  write_at(path, 0, head);
}

void write_at(const fs::path& path, std::size_t offset, std::span<const std::byte> bytes) {
  Descriptor file(path, Access::write, O_WRONLY);
  while (!bytes.empty()) {
    const ssize_t result = ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (result < 0 && errno != EINTR) throw_system_error(path, Access::write, errno);
    const auto count = static_cast<std::size_t>(std::max<ssize_t>(result, 0));
    bytes = bytes.subspan(count);
    offset += count;
  }
  file.close(path, Access::write);
}

void sync_and_rename(const fs::path& temporary, const fs::path& path) {
  Descriptor file(temporary, Access::write, O_WRONLY);
  if (::fsync(file.get()) != 0) throw_system_error(temporary, Access::write, errno);
  file.close(temporary, Access::write);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw_system_error(path, Access::write, errno);
  sync_folder_of(path);
}

OutputFile::OutputFile(fs::path path, bool truncate)
    : path_(std::move(path)),
      descriptor_(path_, Access::write, O_WRONLY | O_CREAT | O_APPEND | (truncate ? O_TRUNC : 0)) {}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) throw_system_error(path_, Access::write, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
}

void OutputFile::sync() {
  // A device such as /dev/stdout cannot be synced, and need not be.
  if (::fdatasync(descriptor_.get()) != 0 && errno != EINVAL) throw_system_error(path_, Access::write, errno);
}

void OutputFile::truncate_to(std::size_t size) {
  if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0) throw_system_error(path_, Access::write, errno);
}

}  // namespace logitfield::io
