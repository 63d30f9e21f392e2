#include "io/run/step_folders.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;
namespace fs = std::filesystem;

/// A folder that looks like a checkpoint, or like a capture.
fs::path make(const TemporaryFolder& folder, const std::string& name, const char* file = "config.json") {
  fs::create_directories(folder.path() / name);
  return folder.write(name + "/" + file, "{}").parent_path();
}

std::vector<std::int64_t> steps_of(const std::vector<StepFolder>& found) {
  std::vector<std::int64_t> out;
  for (const StepFolder& f : found) out.push_back(f.step);
  return out;
}

TEST(StepFolders, TheLastNumberOfANameIsItsStepAndStepsAreSortedAsNumbers) {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint-500", "global_step1000", "run2-step_000064.bf", "9"}) make(folder, name);
  make(folder, "step_8", "capture.json");
  fs::create_directories(folder.path() / "optimizer_7");
  folder.write("step_3.txt", "");
  const auto found = find_step_folders({folder.path() / ""});
  EXPECT_EQ(steps_of(found), (std::vector<std::int64_t>{8, 9, 64, 500, 1000}));
  EXPECT_TRUE(found[0].is_capture);
  EXPECT_FALSE(found[1].is_capture);
  EXPECT_EQ(found[2].path, folder.path() / "run2-step_000064.bf");
}

TEST(StepFolders, ACheckpointItselfAndSeveralFolders) {
  const TemporaryFolder folder;
  make(folder, "a/step_1");
  make(folder, "b/step_2");
  make(folder, "b/step_3");
  EXPECT_EQ(steps_of(find_step_folders({folder.path() / "a" / "step_1" / "", folder.path() / "b"})),
            (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(StepFolders, WhatIsBeingMadeAndLinksToTheLatestAreLeftOut) {
  const TemporaryFolder folder;
  for (const char* name : {"step_1", "tmp-step_2", ".step_3", "step_4.tmp"}) make(folder, name);
  fs::create_directory_symlink(folder.path() / "step_1", folder.path() / "latest");
  EXPECT_EQ(steps_of(find_step_folders({folder.path()})), (std::vector<std::int64_t>{1}));
}

TEST(StepFolders, WhatHasNoStepOrOneThatIsTakenIsRefused) {
  const TemporaryFolder folder;
  make(folder, "step_1");
  make(folder, "step_01");
  EXPECT_TRUE(refuses([&] { find_step_folders({folder.path()}); }, {"step_01 and ", "step_1 are both of step 1"}));
  make(folder, "x/final");
  EXPECT_TRUE(refuses([&] { find_step_folders({folder.path() / "x"}); }, {"final: its name holds no number"}));
  make(folder, "y/step_99999999999999999999");
  EXPECT_TRUE(refuses([&] { find_step_folders({folder.path() / "y"}); }, {"no number that could be its step"}));
  EXPECT_TRUE(refuses([&] { find_step_folders({folder.path() / "z"}); }, {"z: is no folder"}));
}

TEST(StepFolders, StampsTellWhatWasWritten) {
  const TemporaryFolder folder;
  const fs::path step = make(folder, "step_1");
  const auto before = file_stamps(step);
  EXPECT_EQ(file_stamps(step), before);
  folder.write("step_1/config.json", "{ }");
  EXPECT_NE(file_stamps(step), before);
  EXPECT_TRUE(file_stamps(folder.path() / "none").empty());
}

}  // namespace
}  // namespace logitfield::io
