#include "io/integers.hpp"

#include <array>
#include <cstring>

namespace logitfield::io {
namespace {

template <class T>
std::vector<std::int64_t> elements(std::span<const std::byte> bytes) {
  std::vector<std::int64_t> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = value;
  }
  return values;
}

struct IntegerEntry {
  std::string_view numpy, common;
  std::size_t size;
  std::vector<std::int64_t> (*elements)(std::span<const std::byte>);
};
/// In the order of IntegerKind.
constexpr std::array<IntegerEntry, 7> kIntegers = {{{"i1", "int8", 1, elements<std::int8_t>},
                                                    {"i2", "int16", 2, elements<std::int16_t>},
                                                    {"i4", "int32", 4, elements<std::int32_t>},
                                                    {"i8", "int64", 8, elements<std::int64_t>},
                                                    {"u1", "uint8", 1, elements<std::uint8_t>},
                                                    {"u2", "uint16", 2, elements<std::uint16_t>},
                                                    {"u4", "uint32", 4, elements<std::uint32_t>}}};

const IntegerEntry& integer_entry(IntegerKind kind) { return kIntegers.at(static_cast<std::size_t>(kind)); }

}  // namespace

std::optional<IntegerKind> integer_kind(std::string_view name) {
  for (std::size_t k = 0; k < kIntegers.size(); ++k) {
    if (name == kIntegers[k].numpy || name == kIntegers[k].common) return static_cast<IntegerKind>(k);
  }
  return std::nullopt;
}

std::size_t integer_size(IntegerKind kind) { return integer_entry(kind).size; }

std::vector<std::int64_t> integers_of(IntegerKind kind, std::span<const std::byte> bytes) {
  return integer_entry(kind).elements(bytes);
}

}  // namespace logitfield::io
