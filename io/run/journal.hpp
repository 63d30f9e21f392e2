#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/file.hpp"

namespace logitfield::io {

struct JournalContent;

/// The durable record of a run: a magic line "logitfield-journal 1\n", then records of [u64 payload length][u64 XXH3 of
/// the payload][payload], little-endian. Each record is synced before append returns.
class Journal {
 public:
  using Record = std::vector<std::byte>;

  /// Starts a new journal; throws InputError if it exists or cannot be written.
  static Journal create(const std::filesystem::path& path);
  /// Opens an existing journal, whose `content` was read, to append after its last complete record. Removes a torn
  /// tail. If there are damaged bytes, or the first line is torn, rewrites the file with the complete records only.
  static Journal extend(const std::filesystem::path& path, const JournalContent& content);

  /// Appends one record and syncs it. If that fails (a full disk), removes the partial record and throws InputError:
  /// all earlier records stay readable.
  void append(std::span<const std::byte> payload);

 private:
  Journal(const std::filesystem::path& path, std::size_t size);
  /// Returns the bytes written.
  static std::size_t write_record(OutputFile& file, std::span<const std::byte> payload);

  OutputFile file_;
  /// Bytes to the end of the last complete record.
  std::size_t size_;
};

/// The content of a journal: its complete records, and the bytes that belong to none.
struct JournalContent {
  /// Bytes before a complete record that belong to no record, although the program wrote records there.
  struct Damage {
    std::size_t begin = 0, bytes = 0;
    /// Number of complete records after them.
    std::size_t records_behind = 0;
  };

  std::vector<Journal::Record> records;
  std::vector<Damage> damage;
  /// Bytes up to the end of the last complete record, damaged ones included; 0 if even the first line is torn.
  std::size_t valid_bytes = 0;
  /// Bytes after them: a record that was being written when the program ended, or damaged bytes.
  std::size_t torn_bytes = 0;
};

/// Throws InputError if the file cannot be read or is not a journal of a known version. A file that is empty, or ends
/// within the first line, is a journal without records. Where a record is truncated or its checksum differs, reading
/// continues at the next complete record. If there is none, all remaining bytes count as the torn tail.
JournalContent read_journal(const std::filesystem::path& path);

/// Returns a sentence about damaged bytes in the journal; empty if there are none.
std::string damage_text(const std::filesystem::path& path, const JournalContent& content);

}  // namespace logitfield::io
