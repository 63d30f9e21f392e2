#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace logitfield {

/// wait: until other ranks reach the same point; communicate: moving data once they have.
enum class Phase : std::size_t { read, forward, field, communicate, wait };
inline constexpr std::array<std::string_view, 5> kPhaseNames{"read", "forward", "field", "communicate", "wait"};

/// Seconds that this rank has spent in each phase.
class PhaseClock {
 public:
  using Clock = std::chrono::steady_clock;

  /// Runs `work` and adds its time to `phase`; returns the result.
  template <class Work>
  auto time(Phase phase, Work&& work) {
    const Stopwatch stopwatch{seconds_[static_cast<std::size_t>(phase)]};
    return work();
  }
  double seconds(Phase phase) const { return seconds_[static_cast<std::size_t>(phase)]; }
  double wall_seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  struct Stopwatch {
    double& total;
    Clock::time_point start = Clock::now();
    ~Stopwatch() { total += std::chrono::duration<double>(Clock::now() - start).count(); }
  };
  std::array<double, kPhaseNames.size()> seconds_{};
  Clock::time_point start_ = Clock::now();
};

}  // namespace logitfield
