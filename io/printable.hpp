#pragma once
#include <string>
#include <string_view>

namespace logitfield::io {

/// The text with control characters, other than line breaks and tabs, and bytes that are not UTF-8 written out as
/// `\\x1b`. Names of files may hold some, which would command a terminal.
std::string printable(std::string_view text);
/// The same for one line: line breaks and tabs are written out too.
std::string printable_line(std::string_view text);

}  // namespace logitfield::io
