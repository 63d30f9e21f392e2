#pragma once
#include <string>
#include <string_view>

namespace logitfield::io {

/// Returns the text with control characters, other than line breaks and tabs, and bytes that are not UTF-8 written as
/// `\\x1b`. Names of files may contain such bytes, which would control a terminal.
std::string printable(std::string_view text);
/// Does the same for one line: line breaks and tabs are escaped too.
std::string printable_line(std::string_view text);

}  // namespace logitfield::io
