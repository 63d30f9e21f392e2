#include "io/run/run_lock.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

TEST(RunLock, ASecondHolderIsRefusedWithTheFirstOnesName) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  const RunLock first(path, {"node7", 4242, "17", "2026-01-02T03:04:05Z"});
  EXPECT_TRUE(refuses([&] { RunLock(path, this_process()); },
                      {"lock", "process 4242 on node7 (SLURM job 17)", "2026-01-02T03:04:05Z", "another run folder"}));
}

TEST(RunLock, IsFreeOnceItsHolderIsGone) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  { const RunLock first(path, this_process()); }
  EXPECT_EQ(content_of(path), "");
  const RunLock second(path, this_process());
  EXPECT_NE(content_of(path).find(std::to_string(::getpid())), std::string::npos);
}

TEST(RunLock, IsFreeOnceItsHolderWasKilled) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(path, this_process());
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_NE(content_of(path), "") << "the holder must have died with its name in the file";
  EXPECT_NO_THROW(RunLock(path, this_process()));
}

TEST(RunLock, AMovedLockIsStillHeld) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  RunLock first(path, this_process());
  const RunLock moved = std::move(first);
  EXPECT_TRUE(refuses([&] { RunLock(path, this_process()); }, {"being written"}));
}

TEST(RunLock, AFolderThatCannotBeWrittenIsRefused) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { RunLock(folder.path() / "missing" / "lock", this_process()); }, {"missing/lock"}));
}

TEST(RunLock, APipeIsNoLock) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "lock";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(testing::refuses([&] { RunLock(path, this_process()); }, {"lock", "is a pipe"}));
}

}  // namespace
}  // namespace logitfield::io
