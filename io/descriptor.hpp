#pragma once
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
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return descriptor_; }
  /// Closes now; throws InputError if that fails. Some network file systems report a full disk only then.
  void close(const std::filesystem::path& path, Access access);

 private:
  int descriptor_;
};

}  // namespace logitfield::io
