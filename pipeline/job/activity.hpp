#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace logitfield {

/// Lets this process show its activities. By default no process does, so that only one rank prints.
void show_activities();

/// A step that may take long, such as reading a file. While the object exists, standard error shows the step: first
/// after two seconds, then every second in the same line on a terminal, or every ten seconds in a new line elsewhere.
/// A thread prints, so that a step is also shown while its file system does not answer.
class Activity {
 public:
  /// `what`: for example "reading /a/file". `total`: the amount of work, in any unit; 0: unknown.
  explicit Activity(std::string what, std::uint64_t total = 0,
                    std::chrono::milliseconds first = std::chrono::seconds(2));
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;
  ~Activity();

  /// Counts `amount` of the total as done. Any thread may call it.
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
