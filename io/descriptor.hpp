#pragma once
#include <cstddef>
#include <filesystem>

namespace logitfield::io {

/// The purpose for which a file is opened.
enum class Access { read, write };

/// Throws InputError: "<path>: cannot read: <reason>; <remedy>". `error` is an errno value.
[[noreturn]] void throw_system_error(const std::filesystem::path& path, Access access, int error);

/// An open file; closed on destruction.
class Descriptor {
 public:
  /// Opens with the flags of open(2); throws InputError naming path, reason and remedy.
  Descriptor(const std::filesystem::path& path, Access access, int flags);
  /// Opens a regular file for reading, without waiting; throws InputError also for a folder, a pipe and a device.
  static Descriptor of_regular_file(const std::filesystem::path& path);
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return descriptor_; }
  /// Throws InputError unless it is a regular file: a pipe or a device may never end.
  void require_regular(const std::filesystem::path& path) const;
  /// Returns the bytes of the file; 0 for files that the system makes when they are read, such as those of /proc.
  std::size_t size(const std::filesystem::path& path) const;
  /// Closes now; throws InputError if that fails. Some network file systems report a full disk only then.
  void close(const std::filesystem::path& path, Access access);

 private:
  int descriptor_;
};

}  // namespace logitfield::io
