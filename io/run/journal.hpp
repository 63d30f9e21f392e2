#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "io/file.hpp"

namespace logitfield::io {

/// The durable record of a run: a magic line "logitfield-journal 1\n", then records of [u64 payload length][u64 XXH3 of
/// the payload][payload], little-endian. Each record is synced before append returns.
class Journal {
 public:
  using Record = std::vector<std::byte>;

  /// Starts a new journal; throws InputError if it exists or cannot be written.
  static Journal create(const std::filesystem::path& path);
  /// Opens an existing journal to append after its last complete record (see read_journal); cuts off a torn tail.
  static Journal extend(const std::filesystem::path& path, std::size_t valid_bytes);

  /// Appends one record and syncs it. If that fails (a full disk), cuts the partial record off again and throws
  /// InputError: all earlier records stay readable.
  void append(std::span<const std::byte> payload);

 private:
  Journal(const std::filesystem::path& path, std::size_t size);

  OutputFile file_;
  /// Bytes up to the end of the last complete record.
  std::size_t size_;
};

/// Content of a journal: its complete records, and the bytes of a torn tail, if any.
struct JournalContent {
  std::vector<Journal::Record> records;
  /// Bytes up to the end of the last complete record.
  std::size_t valid_bytes = 0;
  std::size_t torn_bytes = 0;
};

/// Throws InputError if the file cannot be read or is no journal of a known version. A record that is cut short or
/// whose checksum differs ends the valid part; from there on everything counts as the torn tail.
JournalContent read_journal(const std::filesystem::path& path);

}  // namespace logitfield::io
