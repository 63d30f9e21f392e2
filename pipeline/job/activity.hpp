#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace logitfield {

/// Lets this process show what it is busy with; by default none does, so that only one rank speaks.
void show_activities();

/// Something that may take long, such as reading a file. While it exists, it is shown on standard error: for the first
/// time after two seconds; then on a terminal every second in the same line, elsewhere every ten seconds in a new one.
/// Nothing need be called in between, so that also a file system that does not answer is named.
class Activity {
 public:
  /// `what`: "reading /a/file". `total`: of the work, in any unit; 0: unknown.
  explicit Activity(std::string what, std::uint64_t total = 0,
                    std::chrono::milliseconds first = std::chrono::seconds(2));
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity();

  /// Counts some of the total as done. For any thread.
  void advance(std::uint64_t amount) { done_ += amount; }

 private:
  using Clock = std::chrono::steady_clock;
  void watch(std::chrono::milliseconds first);
  void show() const;

  const std::string what_;
  const std::uint64_t total_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  std::atomic<std::uint64_t> done_ = 0;
  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false, shown_ = false;
  std::thread watcher_;
};

}  // namespace logitfield
