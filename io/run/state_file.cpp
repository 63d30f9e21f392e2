#include "io/run/state_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <system_error>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/hash.hpp"
#include "io/mapped_file.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 16> kStateMagic{'l', 'o', 'g', 'i', 't', 'f', 'i', 'e',
                                           'l', 'd', '-', 's', 't', 'a', 't', '1'};

/// Bytes before the values, little-endian.
struct Header {
  std::array<char, 16> magic = kStateMagic;
  std::int64_t text, layer, rows, columns;
  std::uint64_t hash;
};
static_assert(sizeof(Header) == 56);

Header header_of(const StateKey& key, std::uint64_t hash) {
  return {.text = key.text, .layer = key.layer, .rows = key.rows, .columns = key.columns, .hash = hash};
}

/// Returns the bytes of the values, if file and key agree and the checksum is right.
std::optional<std::span<const std::byte>> sound_payload(const MappedFile& file, const StateKey& key) {
  const std::size_t size = static_cast<std::size_t>(key.rows * key.columns) * sizeof(float);
  if (file.bytes().size() != sizeof(Header) + size) return std::nullopt;
  const auto payload = file.bytes().subspan(sizeof(Header));
  const Header expected = header_of(key, hash_bytes(payload));
  if (std::memcmp(file.bytes().data(), &expected, sizeof expected) != 0) return std::nullopt;
  return payload;
}

std::string prefix_of(std::int64_t text) { return fmt::format("text-{}.layer-", text); }

}  // namespace

fs::path state_path(const fs::path& folder, const StateKey& key) {
  return folder / fmt::format("{}{}", prefix_of(key.text), key.layer);
}

void write_state(const fs::path& folder, const StateKey& key, std::span<const float> values) {
  if (values.size() != static_cast<std::size_t>(key.rows * key.columns)) {
    throw std::invalid_argument("write_state: as many values as rows x columns");
  }
  const Header header = header_of(key, hash_bytes(std::as_bytes(values)));
  write_atomically(state_path(folder, key), [&](const fs::path& temporary) {
    OutputFile file(temporary, true);
    file.write(std::as_bytes(std::span(&header, 1)));
    file.write(std::as_bytes(values));
  });
}

bool state_is_sound(const fs::path& folder, const StateKey& key) {
  try {
    return sound_payload(MappedFile(state_path(folder, key)), key).has_value();
  } catch (const InputError&) {
    return false;
  }
}

void read_state(const fs::path& folder, const StateKey& key, std::span<float> values) {
  const fs::path path = state_path(folder, key);
  const MappedFile file(path);
  const auto payload = sound_payload(file, key);
  if (!payload || payload->size() != values.size_bytes()) {
    throw InputError("{}: damaged since the run was resumed; remove it and resume again", path.string());
  }
  std::memcpy(values.data(), payload->data(), payload->size());
}

std::vector<std::int64_t> saved_layers(const fs::path& folder, std::int64_t text) {
  std::vector<std::int64_t> layers;
  const std::string prefix = prefix_of(text);
  std::error_code none;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    std::int64_t layer = 0;
    const char *first = name.data() + prefix.size(), *last = name.data() + name.size();
    const auto parsed = std::from_chars(first, last, layer);
    // Other spellings of a number ("007") are not names of this program.
    const bool is_ours =
        parsed.ec == std::errc{} && parsed.ptr == last && layer >= 0 && name == prefix + std::to_string(layer);
    if (is_ours) layers.push_back(layer);
  }
  std::ranges::sort(layers, std::greater<>());
  return layers;
}

void remove_state(const fs::path& folder, std::int64_t text, std::int64_t layer) {
  std::error_code ignored;
  fs::remove(state_path(folder, {text, layer}), ignored);
}

}  // namespace logitfield::io
