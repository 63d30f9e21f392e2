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

/// Makes a folder, and those that it lies in, where they are not there. Throws InputError naming it and the reason.
void make_folder(const std::filesystem::path& path);

/// Makes a file (in place of one that is there) of `size` bytes: `head`, then zeros. Their space is reserved, so that
/// later writes find room. Throws InputError naming `path` and the reason; a file that found no room is removed.
void create_sized(const std::filesystem::path& path, std::span<const std::byte> head, std::size_t size);

/// Writes into a file that is there, at `offset`; other processes may write other parts. Throws InputError naming it.
void write_at(const std::filesystem::path& path, std::size_t offset, std::span<const std::byte> bytes);

/// Syncs a complete file and gives it its final name, in place of a file that has it. Throws InputError naming the
/// file.
void sync_and_rename(const std::filesystem::path& temporary, const std::filesystem::path& path);

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
