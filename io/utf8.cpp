#include "io/utf8.hpp"

#include <algorithm>
#include <cstring>

namespace logitfield::io {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080;

bool is_tail(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Skips bytes of ASCII from `position` on, in steps of eight.
std::size_t skip_ascii_words(std::string_view text, std::size_t position) {
  std::uint64_t word;
  while (position + sizeof word <= text.size()) {
    std::memcpy(&word, text.data() + position, sizeof word);
    if ((word & kHighBits) != 0) break;
    position += sizeof word;
  }
  return position;
}

/// Length of the sequence that begins with `first`; 0 if none does.
std::size_t sequence_size(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

/// The second byte reveals overlong forms, surrogates and codes above U+10FFFF.
bool second_byte_fits(unsigned char first, unsigned char second) {
  if (first == 0xE0) return second >= 0xA0;
  if (first == 0xED) return second < 0xA0;
  if (first == 0xF0) return second >= 0x90;
  if (first == 0xF4) return second < 0x90;
  return true;
}

bool is_sequence(std::string_view text, std::size_t position, std::size_t size) {
  if (size == 0 || position + size > text.size()) return false;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_tail(text[position + i])) return false;
  }
  return size == 1 || second_byte_fits(text[position], text[position + 1]);
}

}  // namespace

CodePoint code_point_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (is_tail(text[begin])) --begin;
  return code_point_at(text, begin);
}

void append_utf8(std::string& text, char32_t code) {
  const auto tail = [&](int shift) { text += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | code >> 12);
    tail(6), tail(0);
  } else {
    text += static_cast<char>(0xF0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

std::size_t count_code_points(std::string_view text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_tail));
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  std::size_t position = 0;
  while ((position = skip_ascii_words(text, position)) < text.size()) {
    const std::size_t size = sequence_size(text[position]);
    if (!is_sequence(text, position, size)) return position;
    position += size;
  }
  return std::nullopt;
}

bool is_ascii(std::string_view text) {
  const std::size_t rest = skip_ascii_words(text, 0);
  return std::none_of(text.begin() + static_cast<std::ptrdiff_t>(rest), text.end(),
                      [](char byte) { return static_cast<unsigned char>(byte) >= 0x80; });
}

}  // namespace logitfield::io
