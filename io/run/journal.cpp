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

void require_magic(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic)) {
    throw InputError("{}: does not begin with \"{}\"; give a journal that this version of the program wrote",
                     path.string(), kMagic.substr(0, kMagic.size() - 1));
  }
}

}  // namespace

Journal::Journal(const std::filesystem::path& path, std::size_t size) : file_(path, false), size_(size) {}

Journal Journal::create(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) {
    throw InputError("{}: a journal exists already; choose another run folder", path.string());
  }
  write_atomically(path, kMagic);
  return Journal(path, kMagic.size());
}

Journal Journal::extend(const std::filesystem::path& path, std::size_t valid_bytes) {
  Journal journal(path, valid_bytes);
  journal.file_.truncate_to(valid_bytes);
  return journal;
}

void Journal::append(std::span<const std::byte> payload) {
  const RecordHeader header{payload.size(), hash_bytes(payload)};
  try {
    file_.write(std::as_bytes(std::span(&header, 1)));
    file_.write(payload);
    file_.sync();
  } catch (const InputError&) {
    file_.truncate_to(size_);
    throw;
  }
  size_ += sizeof(header) + payload.size();
}

JournalContent read_journal(const std::filesystem::path& path) {
  const MappedFile file(path);
  require_magic(path, file.bytes());
  JournalContent content;
  content.valid_bytes = kMagic.size();
  while (const auto payload = complete_payload(file.bytes().subspan(content.valid_bytes))) {
    content.records.emplace_back(payload->begin(), payload->end());
    content.valid_bytes += sizeof(RecordHeader) + payload->size();
  }
  content.torn_bytes = file.bytes().size() - content.valid_bytes;
  return content;
}

}  // namespace logitfield::io
