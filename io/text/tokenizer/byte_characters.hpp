#pragma once
#include <string>
#include <string_view>

namespace logitfield::io {

/// Appends every byte of `text` as the visible character that byte-level tokenizers write for it. A visible character
/// of Latin-1 stands for itself; other bytes get the next free character from U+0100 on. At most two bytes of UTF-8
/// each.
void append_byte_characters(std::string& out, std::string_view text);

}  // namespace logitfield::io
