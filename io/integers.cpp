#include "io/integers.hpp"

#include <array>
#include <cstring>

namespace logitfield::io {
namespace {

struct IntegerEntry {
  std::string_view numpy, common;
  std::size_t size;
};
/// In the order of IntegerKind.
constexpr std::array<IntegerEntry, 7> kIntegers = {{{"i1", "int8", 1},
                                                    {"i2", "int16", 2},
                                                    {"i4", "int32", 4},
                                                    {"i8", "int64", 8},
                                                    {"u1", "uint8", 1},
                                                    {"u2", "uint16", 2},
                                                    {"u4", "uint32", 4}}};

template <class T>
std::vector<std::int64_t> as(std::span<const std::byte> bytes) {
  std::vector<std::int64_t> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = value;
  }
  return values;
}

}  // namespace

std::optional<IntegerKind> integer_kind(std::string_view name) {
  for (std::size_t k = 0; k < kIntegers.size(); ++k) {
    if (name == kIntegers[k].numpy || name == kIntegers[k].common) return static_cast<IntegerKind>(k);
  }
  return std::nullopt;
}

std::size_t integer_size(IntegerKind kind) { return kIntegers.at(static_cast<std::size_t>(kind)).size; }

std::vector<std::int64_t> integers_of(IntegerKind kind, std::span<const std::byte> bytes) {
  switch (kind) {
    case IntegerKind::i1:
      return as<std::int8_t>(bytes);
    case IntegerKind::i2:
      return as<std::int16_t>(bytes);
    case IntegerKind::i4:
      return as<std::int32_t>(bytes);
    case IntegerKind::i8:
      return as<std::int64_t>(bytes);
    case IntegerKind::u1:
      return as<std::uint8_t>(bytes);
    case IntegerKind::u2:
      return as<std::uint16_t>(bytes);
    case IntegerKind::u4:
      return as<std::uint32_t>(bytes);
  }
  return {};
}

}  // namespace logitfield::io
