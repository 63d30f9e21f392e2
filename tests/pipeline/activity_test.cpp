#include "pipeline/job/activity.hpp"

#include <gtest/gtest.h>

#include <string>

namespace logitfield {
namespace {

using std::chrono::milliseconds;

/// Output of an activity of `total` that takes so long, when standard error is a file.
std::string logged(milliseconds duration, std::uint64_t total, std::uint64_t done) {
  ::testing::internal::CaptureStderr();
  {
    Activity activity("reading a file", total, milliseconds(20));
    activity.advance(done);
    std::this_thread::sleep_for(duration);
  }
  return ::testing::internal::GetCapturedStderr();
}

TEST(Activity, IsShownOnceItTakesLong) {
  EXPECT_EQ(logged(milliseconds(500), 0, 0), "") << "no process shows any by default";
  show_activities();
  EXPECT_EQ(logged(milliseconds(0), 0, 0), "");
  EXPECT_EQ(logged(milliseconds(500), 0, 0), "logitfield: reading a file: 0 s so far\n");
  EXPECT_EQ(logged(milliseconds(500), 4, 3), "logitfield: reading a file: 75 %, 0 s left\n");
}

}  // namespace
}  // namespace logitfield
