#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "io/descriptor.hpp"

namespace logitfield::io {

/// Reads a whole regular file of at most `limit` bytes; throws InputError naming it and the reason.
std::string read_file(const std::filesystem::path& path, std::size_t limit);

/// Writes a file so that a reader sees all of it or none. `write` fills a temporary file beside it, which is then
/// synced and renamed, or removed if anything throws. Throws InputError naming `path` and the reason (a full disk
/// included).
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& write);
void write_atomically(const std::filesystem::path& path, std::string_view content);

/// Creates a folder and its missing parents. Throws InputError naming it and the reason.
void make_folder(const std::filesystem::path& path);

/// Creates a file of `size` bytes, replacing an existing one: `head`, then zeros. The space is reserved, so that later
/// writes find room. Throws InputError naming `path` and the reason; if there is no room, the file is removed.
void create_sized(const std::filesystem::path& path, std::span<const std::byte> head, std::size_t size);

/// Writes into an existing file at `offset`; other processes may write other parts. Throws InputError naming it.
void write_at(const std::filesystem::path& path, std::size_t offset, std::span<const std::byte> bytes);

/// Syncs a complete file and gives it its final name, replacing an existing file. Throws InputError naming the file.
void sync_and_rename(const std::filesystem::path& temporary, const std::filesystem::path& path);

/// Writes a file. Every failure throws InputError naming the path, the reason and the remedy.
class OutputFile {
 public:
  /// Opens for writing at the end, creating a missing file; `truncate` empties the file first.
  OutputFile(std::filesystem::path path, bool truncate);

  void write(std::span<const std::byte> bytes);
  void sync();
  /// Cuts the file to `size` bytes; later writes continue there.
  void truncate_to(std::size_t size);

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

}  // namespace logitfield::io
