#include "pipeline/run/progress.hpp"

#include <gtest/gtest.h>

#include <string>

namespace logitfield {
namespace {

using std::chrono::milliseconds;

/// Output of `advances` units of work when standard error is a file.
std::string logged(std::int64_t total, std::int64_t done, int advances, milliseconds pause) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress(total, done, pause);
    for (int i = 0; i < advances; ++i) progress.advance();
  }
  return ::testing::internal::GetCapturedStderr();
}

TEST(Progress, IsWholePlainLinesInALog) {
  EXPECT_EQ(logged(4, 2, 2, milliseconds(0)),
            "measured 3 of 4 layers over all texts,  75 %, 00:00:00 left\n"
            "measured 4 of 4 layers over all texts, 100 %, 00:00:00 left\n");
}

TEST(Progress, DoesNotFloodALog) { EXPECT_EQ(logged(1000, 0, 1000, std::chrono::hours(1)), ""); }

}  // namespace
}  // namespace logitfield
