#include "io/gguf/header_reader.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::size_t kLargestHeader = std::size_t{1} << 30;
/// The most values of all lists together. Each takes more memory than in the file; the largest vocabularies have 2^18
/// tokens.
constexpr std::uint64_t kMostListed = std::uint64_t{1} << 24;

/// Numbers that the format gives to the types of metadata values.
enum class MetadataType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, list, u64, i64, f64 };

}  // namespace

HeaderReader::HeaderReader(std::span<const std::byte> bytes, std::string path)
    : bytes_(bytes.first(std::min(bytes.size(), kLargestHeader))), path_(std::move(path)) {}

std::span<const std::byte> HeaderReader::take(std::uint64_t count) {
  if (count > bytes_.size() - position_) {
    refuse(fmt::format("{} bytes at byte {} reach beyond the header, which ends at byte {} at the latest", count,
                       position_, bytes_.size()));
  }
  const auto out = bytes_.subspan(position_, count);
  position_ += count;
  return out;
}

void HeaderReader::refuse(const std::string& what) const {
  throw InputError("{}: {}; the file is damaged: copy or download it again", path_, what);
}

std::string HeaderReader::text() {
  const auto bytes = take(number<std::uint64_t>());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

json HeaderReader::value(const std::string& key) { return value_of(number<std::uint32_t>(), key); }

json HeaderReader::value_of(std::uint32_t type, const std::string& key) {
  switch (MetadataType{type}) {
    case MetadataType::u8:
      return number<std::uint8_t>();
    case MetadataType::i8:
      return number<std::int8_t>();
    case MetadataType::u16:
      return number<std::uint16_t>();
    case MetadataType::i16:
      return number<std::int16_t>();
    case MetadataType::u32:
      return number<std::uint32_t>();
    case MetadataType::i32:
      return number<std::int32_t>();
    case MetadataType::f32:
      return number<float>();
    case MetadataType::boolean:
      return number<std::uint8_t>() != 0;
    case MetadataType::text:
      return text();
    case MetadataType::list:
      return list(key);
    case MetadataType::u64:
      return number<std::uint64_t>();
    case MetadataType::i64:
      return number<std::int64_t>();
    case MetadataType::f64:
      return number<double>();
    default:
      refuse(fmt::format("{} has a value of type {}, which the format does not define", excerpt(key), type));
  }
}

json HeaderReader::list(const std::string& key) {
  const auto type = number<std::uint32_t>();
  const auto count = number<std::uint64_t>();
  if (MetadataType{type} == MetadataType::list)
    refuse(fmt::format("{} is a list of lists, which is not supported", excerpt(key)));
  if (count > std::min<std::uint64_t>(kMostListed - listed_, bytes_.size() - position_)) {
    refuse(
        fmt::format("{} claims to be a list of {} values (limit for all lists: {})", excerpt(key), count, kMostListed));
  }
  listed_ += count;
  json values = json::array();
  values.get_ref<json::array_t&>().reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(value_of(type, key));
  return values;
}

}  // namespace logitfield::io
