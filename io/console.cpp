#include "io/console.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "io/error.hpp"
#include "io/printable.hpp"

namespace logitfield::io {

void print_text(std::string_view text) {
  const std::string shown = printable(text);
  const bool written = std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
  if (written) return;
  throw InputError(
      "standard output: cannot write: {}; send it to a terminal, a disk with space, or a program that reads it all",
      std::generic_category().message(errno));
}

void tell_text(std::string_view text) {
  const std::string line = "logitfield: " + printable_line(text) + "\n";
  std::fputs(line.c_str(), stderr);  // one call, so that ranks do not interleave
}

void prepare_console() {
  std::signal(SIGPIPE, SIG_IGN);
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    // The lowest free descriptor is this one. Output streams are opened for reading, so that writing to them fails.
    if (::fcntl(stream, F_GETFD) < 0) ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace logitfield::io
