#include "io/printable.hpp"

#include <fmt/format.h>

#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

/// Appends valid UTF-8; `kept` lists the control characters that stay.
void append_printable(std::string& out, std::string_view text, std::u32string_view kept) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = code_point_at(text, at);
    const bool commands = code < 0x20 || (code >= 0x7f && code < 0xa0);
    if (commands && kept.find(code) == kept.npos) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(code));
    } else {
      out += text.substr(at, size);
    }
    at += size;
  }
}

std::string printable(std::string_view text, std::u32string_view kept) {
  std::string out;
  while (const auto invalid = first_invalid_utf8(text)) {
    append_printable(out, text.substr(0, *invalid), kept);
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[*invalid]));
    text.remove_prefix(*invalid + 1);
  }
  append_printable(out, text, kept);
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return printable(text, U"\n\t"); }
std::string printable_line(std::string_view text) { return printable(text, U""); }

}  // namespace logitfield::io
