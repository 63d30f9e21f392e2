#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace logitfield::io {

/// A whole file mapped read-only. Move-only; unmapped on destruction. If the file is truncated meanwhile, reading
/// beyond its end ends the process (mapped_regions.hpp).
class MappedFile {
 public:
  /// Throws InputError if the file cannot be opened, is not a regular file, is empty, or cannot be mapped.
  explicit MappedFile(std::filesystem::path path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// Asks the system to start reading a part of bytes() now.
  void prefetch(std::span<const std::byte> part) const;
  /// Releases the pages that lie wholly inside a part of bytes(); a later read maps them again.
  void release(std::span<const std::byte> part) const;

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace logitfield::io
