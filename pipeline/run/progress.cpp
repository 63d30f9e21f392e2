#include "pipeline/run/progress.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace logitfield {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

}  // namespace

Progress::Progress(std::int64_t total, std::int64_t done, milliseconds pause_in_logs)
    : total_(total),
      before_(done),
      done_(done),
      terminal_(isatty(STDERR_FILENO) == 1),
      pause_(terminal_ ? milliseconds(200) : pause_in_logs),
      shown_(start_) {}

Progress::~Progress() {
  if (line_open_) std::fputs("\n", stderr);
}

void Progress::advance() {
  ++done_;
  if (Clock::now() - shown_ >= pause_ || (terminal_ && done_ == total_)) show();
}

void Progress::show() {
  shown_ = Clock::now();
  const auto elapsed = shown_ - start_;
  const auto left = duration_cast<std::chrono::seconds>(elapsed * (total_ - done_) / (done_ - before_));
  const std::string line =
      fmt::format("{}measured {} of {} layers over all texts, {:3d} %, {:%H:%M:%S} left{}", terminal_ ? "\r" : "",
                  done_, total_, 100 * done_ / total_, left, terminal_ ? "  " : "\n");
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  line_open_ = terminal_;
}

}  // namespace logitfield
