#include "io/run/journal.hpp"

#include <cstring>
#include <optional>
#include <string_view>

#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/mapped_file.hpp"

namespace logitfield::io {
namespace {

constexpr std::string_view kMagic = "logitfield-journal 1\n";

struct RecordHeader {
  std::uint64_t length;
  std::uint64_t hash;
};
static_assert(sizeof(RecordHeader) == 16);

/// The payload of the record that begins at bytes[0], if it is complete.
std::optional<std::span<const std::byte>> complete_payload(std::span<const std::byte> bytes) {
  RecordHeader header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const auto rest = bytes.subspan(sizeof(header));
  if (header.length > rest.size()) return std::nullopt;
  const auto payload = rest.first(header.length);
  if (hash_bytes(payload) != header.hash) return std::nullopt;
  return payload;
}

/// Whether the first line is complete; false if the file ends within it.
bool has_magic(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (kMagic.starts_with(text)) return text == kMagic;
  if (!text.starts_with(kMagic)) {
    throw InputError("{}: does not begin with \"{}\"; give a journal that this version of the program wrote",
                     path.string(), kMagic.substr(0, kMagic.size() - 1));
  }
  return true;
}

/// Finds the next complete record of a file.
class Search {
 public:
  explicit Search(std::span<const std::byte> bytes) : bytes_(bytes), to_hash_(kMostPasses * bytes.size()) {}

  /// Returns the first byte of the next complete record from `begin` on; nothing if there is none. Gives up, as if
  /// there were none, after hashing the file many times over. Only a file made on purpose takes so long.
  std::optional<std::size_t> next(std::size_t begin) {
    for (; begin + sizeof(RecordHeader) <= bytes_.size(); ++begin) {
      const auto rest = bytes_.subspan(begin);
      const std::size_t length = claimed_length(rest);
      if (length > rest.size() - sizeof(RecordHeader)) continue;
      if (length > to_hash_) return std::nullopt;
      to_hash_ -= length;
      if (complete_payload(rest)) return begin;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kMostPasses = 64;
  static std::size_t claimed_length(std::span<const std::byte> record) {
    RecordHeader header;
    std::memcpy(&header, record.data(), sizeof(header));
    return header.length;
  }

  std::span<const std::byte> bytes_;
  std::size_t to_hash_;
};

}  // namespace

Journal::Journal(const std::filesystem::path& path, std::size_t size) : file_(path, false), size_(size) {}

Journal Journal::create(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) {
    throw InputError("{}: a journal already exists; choose another run folder", path.string());
  }
  write_atomically(path, kMagic);
  return Journal(path, kMagic.size());
}

Journal Journal::extend(const std::filesystem::path& path, const JournalContent& content) {
  std::size_t size = content.valid_bytes;
  if (!content.damage.empty() || size == 0) {
    size = kMagic.size();
    write_atomically(path, [&](const std::filesystem::path& temporary) {
      OutputFile file(temporary, true);
      file.write(std::as_bytes(std::span(kMagic)));
      for (const Record& record : content.records) size += write_record(file, record);
    });
  }
  Journal journal(path, size);
  journal.file_.truncate_to(size);
  return journal;
}

std::size_t Journal::write_record(OutputFile& file, std::span<const std::byte> payload) {
  const RecordHeader header{payload.size(), hash_bytes(payload)};
  file.write(std::as_bytes(std::span(&header, 1)));
  file.write(payload);
  return sizeof(header) + payload.size();
}

void Journal::append(std::span<const std::byte> payload) {
  try {
    const std::size_t written = write_record(file_, payload);
    file_.sync();
    size_ += written;
  } catch (const InputError&) {
    file_.truncate_to(size_);
    throw;
  }
}

JournalContent read_journal(const std::filesystem::path& path) {
  if (std::error_code unknown; std::filesystem::is_regular_file(path, unknown) && std::filesystem::is_empty(path)) {
    return {};
  }
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  JournalContent content;
  content.torn_bytes = bytes.size();
  if (!has_magic(path, bytes)) return content;
  content.valid_bytes = kMagic.size();
  Search search(bytes);
  while (const auto begin = search.next(content.valid_bytes)) {
    if (*begin > content.valid_bytes) content.damage.push_back({content.valid_bytes, *begin - content.valid_bytes});
    for (JournalContent::Damage& before : content.damage) ++before.records_behind;
    const auto payload = *complete_payload(bytes.subspan(*begin));
    content.records.emplace_back(payload.begin(), payload.end());
    content.valid_bytes = *begin + sizeof(RecordHeader) + payload.size();
  }
  content.torn_bytes = bytes.size() - content.valid_bytes;
  return content;
}

std::string damage_text(const std::filesystem::path& path, const JournalContent& content) {
  if (content.damage.empty()) return {};
  std::size_t bytes = 0;
  for (const JournalContent::Damage& damage : content.damage) bytes += damage.bytes;
  const JournalContent::Damage& first = content.damage.front();
  return fmt::format(
      "{}: {} bytes are damaged, the first at byte {}, by the disk or by a failed copy; the records there are lost, "
      "but the {} records after them are intact and are kept",
      path.string(), bytes, first.begin, first.records_behind);
}

}  // namespace logitfield::io
