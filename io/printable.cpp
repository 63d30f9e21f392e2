#include "io/printable.hpp"

#include <fmt/format.h>

#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// For valid UTF-8.
void append_printable(std::string& out, std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = code_point_at(text, at);
    const bool commands = code < 0x20 || (code >= 0x7f && code < 0xa0);
    if (commands && code != '\n' && code != '\t') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(code));
    } else {
      out += text.substr(at, size);
    }
    at += size;
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (const auto invalid = first_invalid_utf8(text)) {
    append_printable(out, text.substr(0, *invalid));
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[*invalid]));
    text.remove_prefix(*invalid + 1);
  }
  append_printable(out, text);
  return out;
}

}  // namespace logitfield::io
