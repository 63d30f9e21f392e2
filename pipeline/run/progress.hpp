#pragma once
#include <chrono>
#include <cstdint>

namespace logitfield {

/// Shows on standard error how far a run is and the time left: on a terminal one line that is updated in place,
/// elsewhere a new line every ten seconds.
class Progress {
 public:
  /// `done` of `total` units were finished before the program started; the time left is estimated from the others.
  Progress(std::int64_t total, std::int64_t done, std::chrono::milliseconds pause_in_logs = std::chrono::seconds(10));
  ~Progress();
  /// Counts one more finished (text, layer).
  void advance();

 private:
  using Clock = std::chrono::steady_clock;
  void show();

  std::int64_t total_, before_, done_;
  bool terminal_, line_open_ = false;
  std::chrono::milliseconds pause_;
  Clock::time_point start_ = Clock::now(), shown_{};
};

}  // namespace logitfield
