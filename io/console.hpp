#pragma once
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace logitfield::io {

/// Writes text to standard output, as printable() shows it. Throws InputError if it cannot all be written (a full disk,
/// a reader that has ended, a closed descriptor).
void print_text(std::string_view text);

/// Writes the line "logitfield: TEXT" to standard error, as printable_line() shows it. If that fails, the program
/// continues: there is nowhere to report it.
void tell_text(std::string_view text);

/// Formats a text and writes it in the same way.
template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void tell(fmt::format_string<Args...> format, Args&&... args) {
  tell_text(fmt::format(format, std::forward<Args>(args)...));
}

/// Prepares the standard streams; main calls it before it opens anything. A reader that has ended then gives an error
/// of print() instead of a signal. A closed standard stream stays unusable, so that no file is opened in its place and
/// overwritten.
void prepare_console();

}  // namespace logitfield::io
