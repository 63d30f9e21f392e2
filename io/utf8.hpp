#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace logitfield::io {

/// A code point and its number of bytes.
struct CodePoint {
  char32_t value;
  std::uint32_t size;
};

/// Returns the code point at `position` of valid UTF-8.
inline CodePoint code_point_at(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const auto tail = [&](std::size_t i) { return char32_t{byte(i)} & 0x3F; };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | tail(1), 2};
  if (first < 0xF0) return {(first & 0x0F) << 12 | tail(1) << 6 | tail(2), 3};
  return {(first & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

/// Returns the code point that ends before `end` in valid UTF-8; `end` must not be 0.
CodePoint code_point_before(std::string_view text, std::size_t end);

/// Appends `code` as UTF-8.
void append_utf8(std::string& text, char32_t code);

/// Returns the number of code points in valid UTF-8.
std::size_t count_code_points(std::string_view text);

/// Returns the position of the first byte at which `text` is not valid UTF-8; nothing if all of it is valid. Overlong
/// forms, surrogates and codes above U+10FFFF are invalid.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// Tells whether every byte is ASCII.
bool is_ascii(std::string_view text);

}  // namespace logitfield::io
