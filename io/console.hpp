#pragma once
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace logitfield::io {

/// Writes text to standard output, as printable() shows it. Throws InputError where not all of it can be written (a
/// full disk, a reader that has gone, a closed descriptor).
void print_text(std::string_view text);

/// Writes the line "logitfield: TEXT" to standard error, as printable_line() shows it. Where that cannot be written,
/// nobody can be told: the program carries on.
void tell_text(std::string_view text);

/// The same for a text that is put together.
template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void tell(fmt::format_string<Args...> format, Args&&... args) {
  tell_text(fmt::format(format, std::forward<Args>(args)...));
}

/// For main, before it opens anything: a reader that has gone becomes an error of print() instead of a signal, and a
/// standard stream that is closed stays unusable, so that no file is opened in its place and written over.
void prepare_console();

}  // namespace logitfield::io
