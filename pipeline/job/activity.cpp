#include "pipeline/job/activity.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "io/printable.hpp"

namespace logitfield {
namespace {

std::atomic<bool> shows_activities = false;

/// Moves to the beginning of a terminal's line and erases the line.
constexpr const char* kEraseLine = "\r\x1B[K";

}  // namespace

void show_activities() { shows_activities = true; }

Activity::Activity(std::string what, std::uint64_t total, std::chrono::milliseconds first)
    : what_(std::move(what)), total_(total), terminal_(isatty(STDERR_FILENO) == 1) {
  if (shows_activities) watcher_ = std::thread([this, first] { watch(first); });
}

Activity::~Activity() {
  if (!watcher_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  over_.notify_all();
  watcher_.join();
  if (shown_ && terminal_) fmt::print(stderr, kEraseLine);
}

void Activity::watch(std::chrono::milliseconds first) {
  constexpr std::chrono::seconds kOnTerminal{1}, kElsewhere{10};
  std::unique_lock lock(mutex_);
  for (auto next = start_ + first; !over_.wait_until(lock, next, [this] { return is_over_; });) {
    show();
    shown_ = true;
    next += terminal_ ? kOnTerminal : kElsewhere;
  }
}

void Activity::show() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const std::uint64_t done = done_;
  std::string text = fmt::format("{}: ", io::printable(what_));
  if (total_ > 0 && done > 0) {
    const double share = static_cast<double>(done) / static_cast<double>(total_);
    text += fmt::format("{:.0f} %, {:.0f} s left", 100 * share, seconds * (1 - share) / share);
  } else {
    text += fmt::format("{:.0f} s so far", seconds);
  }
  fmt::print(stderr, "{}{}{}", terminal_ ? kEraseLine : "logitfield: ", text, terminal_ ? "" : "\n");
  std::fflush(stderr);
}

}  // namespace logitfield
