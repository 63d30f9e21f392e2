#include "io/text/tokenizer/byte_characters.hpp"

#include <array>

#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

bool is_visible(char32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

std::array<std::string, 256> make_characters() {
  std::array<std::string, 256> characters;
  char32_t next_free = 0x100;
  for (char32_t byte = 0; byte < characters.size(); ++byte) {
    append_utf8(characters[byte], is_visible(byte) ? byte : next_free++);
  }
  return characters;
}

}  // namespace

void append_byte_characters(std::string& out, std::string_view text) {
  static const std::array<std::string, 256> characters = make_characters();
  for (const char byte : text) out += characters[static_cast<unsigned char>(byte)];
}

}  // namespace logitfield::io
