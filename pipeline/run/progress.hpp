#pragma once
#include <chrono>
#include <cstdint>

namespace logitfield {

/// How far a run is, with the time left, on standard error: one line that renews itself on a terminal, a plain line
/// every ten seconds elsewhere.
class Progress {
 public:
  /// `done` of them were finished before; the time left is told from the others.
  Progress(std::int64_t total, std::int64_t done, std::chrono::milliseconds pause_in_logs = std::chrono::seconds(10));
  ~Progress();
  /// One more (text, layer) is finished.
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
