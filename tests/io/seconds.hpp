#pragma once
#include <time.h>

namespace logitfield::testing {

/// Seconds of computing that `work` takes, whatever else the machine does.
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
