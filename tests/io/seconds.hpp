#pragma once
#include <time.h>

namespace logitfield::testing {

/// Returns the computing time of `work` in seconds, which other programs do not change.
template <class Work>
double seconds_of(Work&& work) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

}  // namespace logitfield::testing
