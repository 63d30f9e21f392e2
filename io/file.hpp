#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "io/descriptor.hpp"

namespace logitfield::io {

/// Reads a whole file of at most `limit` bytes; throws InputError naming it and the reason.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

/// Writes a file so that a reader sees all of it or none: `write` fills a temporary neighbour, which is synced and
/// renamed; it is removed if anything throws. Throws InputError naming `path` and the reason (a full disk included).
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& write);
void write_atomically(const std::filesystem::path& path, std::string_view content);

/// A file being written; every failure throws InputError naming the path, the reason and the remedy.
class OutputFile {
 public:
  /// Opens for writing at the end, making the file if there is none; `truncate` empties it first.
  OutputFile(std::filesystem::path path, bool truncate);

  void write(std::span<const std::byte> bytes);
  void sync();
  /// Cuts the file to `size` bytes; further writes go there.
  void truncate_to(std::size_t size);

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

}  // namespace logitfield::io
