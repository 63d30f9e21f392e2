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

std::vector<std::int64_t> steps_of(const StepFolders& folders) {
  std::vector<std::int64_t> out;
  for (const StepFolder& f : folders.found) out.push_back(f.step);
  return out;
}

TEST(StepFolders, TheLastNumberOfANameIsItsStepAndStepsAreSortedAsNumbers) {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint-500", "global_step1000", "run2-step_000064.bf", "9"}) make(folder, name);
  make(folder, "step_8", "capture.json");
  fs::create_directories(folder.path() / "optimizer_7");
  folder.write("step_3.txt", "");
  const auto all = find_step_folders({folder.path() / ""});
  const auto& found = all.found;
  EXPECT_TRUE(all.left_out.empty());
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{8, 9, 64, 500, 1000}));
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

/// "name: reason" of every checkpoint that is left out.
std::vector<std::string> left_out(const StepFolders& folders) {
  std::vector<std::string> out;
  for (const LeftOut& one : folders.left_out) out.push_back(one.path.filename().string() + ": " + one.reason);
  return out;
}

std::vector<std::string> names_of(const StepFolders& folders) {
  std::vector<std::string> out;
  for (const StepFolder& one : folders.found) out.push_back(one.path.filename());
  return out;
}

TEST(StepFolders, ThePublishedNamesOfTinyLlamaAreOrderedByTheNumberBehindStep) {
  const TemporaryFolder folder;
  for (const char* name :
       {"TinyLlama-1.1B-intermediate-step-1195k-token-2.5T", "TinyLlama-1.1B-intermediate-step-715k-1.5T",
        "TinyLlama-1.1B-step-50K-105b", "TinyLlama-1.1B-step-1.5M"}) {
    make(folder, name);
  }
  EXPECT_EQ(steps_of(find_step_folders({folder.path()})),
            (std::vector<std::int64_t>{50'000, 715'000, 1'195'000, 1'500'000}));
}

TEST(StepFolders, StagesComeInOrderAndALaterOneWhoseStepsBeginAnewStandsBehindTheOneBefore) {
  const TemporaryFolder folder;
  for (const char* name :
       {"stage2-ingredient1-step23852-tokens51B", "stage1-step1907359-tokens4001B", "stage1-step1000-tokens3B",
        "stage2-ingredient1-step1000-tokens3B", "stage2-ingredient2-step1000-tokens3B", "main-step7"}) {
    make(folder, name);
  }
  const auto all = find_step_folders({folder.path()});
  EXPECT_EQ(names_of(all), (std::vector<std::string>{"stage1-step1000-tokens3B", "stage1-step1907359-tokens4001B",
                                                     "stage2-ingredient1-step1000-tokens3B",
                                                     "stage2-ingredient1-step23852-tokens51B"}));
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{1000, 1907359, 1907359 + 1000, 1907359 + 23852}));
  EXPECT_EQ(left_out(all),
            (std::vector<std::string>{
                "main-step7: its name has no stage, unlike other names",
                "stage2-ingredient2-step1000-tokens3B: it belongs to another branch of its stage (ingredient 2)"}));
}

TEST(StepFolders, MeasuredCheckpointsThatAreGoneKeepTheirPlaces) {
  const TemporaryFolder folder;
  for (const char* name : {"stage2-ingredient1-step1000", "stage2-ingredient2-step500", "stage3-step10"})
    make(folder, name);
  const fs::path root = folder.path();
  const std::vector<fs::path> measured{root / "stage1-step8000", root / "stage1-step9000",
                                       root / "stage2-ingredient1-step1000"};
  const auto all = find_step_folders({root}, {}, measured);
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{10000, 10010}));
  EXPECT_EQ(all.gone, (std::vector<fs::path>{measured[0], measured[1]}));
  fs::remove_all(root / "stage2-ingredient1-step1000");
  EXPECT_EQ(steps_of(find_step_folders({root}, {}, measured)), (std::vector<std::int64_t>{10010}))
      << "the other branch stays out";
  // A series that was moved, and one without stages: nothing is missed.
  fs::create_directories(root / "moved");
  make(folder, "moved/step_8");
  const auto moved = find_step_folders({root / "moved"}, {}, {root / "step_7", root / "step_8", root / "other"});
  EXPECT_EQ(steps_of(moved), (std::vector<std::int64_t>{8}));
  EXPECT_TRUE(moved.gone.empty());
}

TEST(StepFolders, StepsThatGoOnThroughStagesStay) {
  const TemporaryFolder folder;
  for (const char* name : {"stage1-step-3440000", "stage2-step-3450000", "stage2-step-3460000"}) make(folder, name);
  EXPECT_EQ(steps_of(find_step_folders({folder.path()})), (std::vector<std::int64_t>{3440000, 3450000, 3460000}));
}

TEST(StepFolders, ATrainersFolderIsItsCheckpointsWithoutTheFinalModel) {
  const TemporaryFolder folder;
  for (const char* name :
       {"llama-7b-sft", "llama-7b-sft/checkpoint-500", "llama-7b-sft/checkpoint-1000", "llama-7b-sft/final",
        "llama-7b-sft/best_model", "llama-7b-sft/last", "llama-7b-sft/qwen2", "llama-7b-sft/final-1"}) {
    make(folder, name);
  }
  const auto all = find_step_folders({folder.path() / "llama-7b-sft"});
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{500, 1000}));
  EXPECT_EQ(left_out(all),
            (std::vector<std::string>{"llama-7b-sft: it holds checkpoints, so it is their final model",
                                      "best_model: it is named as a final or best model, without a step",
                                      "final: it is named as a final or best model, without a step",
                                      "final-1: it is named as a final or best model, without a step",
                                      "last: it is named as a final or best model, without a step",
                                      "qwen2: 2 in its name is less surely a step than those in other names"}));
}

TEST(StepFolders, DecimalsAreExact) {
  const TemporaryFolder folder;
  for (const char* name : {"step-4.0M", "step-4.1M", "step-8.2M", "step-16.1k"}) make(folder, name);
  EXPECT_EQ(steps_of(find_step_folders({folder.path()})),
            (std::vector<std::int64_t>{16'100, 4'000'000, 4'100'000, 8'200'000}));
}

TEST(StepFolders, ACopyOrALinkOfTheBestModelDoesNotHideItsCheckpoint) {
  const TemporaryFolder folder;
  for (const char* name : {"checkpoint-500", "checkpoint-1000", "best-checkpoint-1000"}) make(folder, name);
  std::filesystem::create_directory_symlink(folder.path() / "checkpoint-500", folder.path() / "best_step_500");
  const auto all = find_step_folders({folder.path()});
  EXPECT_EQ(names_of(all), (std::vector<std::string>{"checkpoint-500", "checkpoint-1000"}));
  EXPECT_EQ(left_out(all).size(), 1U);
}

TEST(StepFolders, OrdinaryNamesAreUnderstood) {
  const TemporaryFolder folder;
  for (const char* name :
       {"checkpoint-500-epoch-1", "iter_700_epoch_0", "800steps", "step.900", "1000", "sft-2", "Llama-2-7b-hf"}) {
    make(folder, name);
  }
  const auto all = find_step_folders({folder.path()});
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{500, 700, 800, 900, 1000}));
  EXPECT_EQ(left_out(all),
            (std::vector<std::string>{"Llama-2-7b-hf: 2 in its name is less surely a step than those in other names",
                                      "sft-2: 2 in its name is less surely a step than those in other names"}));
}

TEST(StepFolders, WhatHasNoStepOrOneThatOthersHaveIsLeftOut) {
  const TemporaryFolder folder;
  for (const char* name : {"step_1", "step_01", "step_2", "step_99999999999999999999", "model-7b", "v1.5-chat"})
    make(folder, name);
  const auto all = find_step_folders({folder.path(), folder.path() / "step_2"});
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{2}));
  const std::string path = folder.path().string();
  EXPECT_EQ(left_out(all),
            (std::vector<std::string>{"model-7b: its name contains no number that could be its step",
                                      "step_01: it is at step 1, as is " + path + "/step_1",
                                      "step_1: it is at step 1, as is " + path + "/step_01",
                                      "step_99999999999999999999: 99999999999999999999 in its name cannot be its step",
                                      "v1.5-chat: its name contains no number that could be its step"}));
  EXPECT_TRUE(refuses([&] { find_step_folders({folder.path() / "z"}); }, {"z: is not a folder"}));
}

TEST(StepFolders, APatternSaysWhereTheStepStands) {
  const TemporaryFolder folder;
  for (const char* name : {"run5_it20k_a", "run7_it3000_a", "run9_a", "run8_itx_a"}) make(folder, name);
  const auto all = find_step_folders({folder.path()}, StepNames("it([0-9]*[kx]?)_"));
  EXPECT_EQ(steps_of(all), (std::vector<std::int64_t>{3000, 20'000}));
  EXPECT_EQ(left_out(all),
            (std::vector<std::string>{"run8_itx_a: 'x', which the pattern of steps finds in its name, is not a number",
                                      "run9_a: its name does not match the pattern of steps"}));
  EXPECT_EQ(steps_of(find_step_folders({folder.path()}, StepNames("(?<=run)\\d"))),
            (std::vector<std::int64_t>{5, 7, 8, 9}));
}

TEST(StepFolders, APatternThatIsNoneOrTakesTooLongIsRefused) {
  EXPECT_TRUE(refuses([] { StepNames("it("); },
                      {"'it('", "not a regular expression", "missing closing parenthesis", "character 4"}));
  EXPECT_TRUE(refuses([] { StepNames("(a{9999}){9999}"); }, {"not a regular expression"}));
  EXPECT_TRUE(refuses([] { StepNames(std::string(2000, '.')); }, {"2000 characters, more than 1000"}));
  const std::string name = std::string(200, 'a') + "!";
  EXPECT_TRUE(refuses([&] { StepNames("^(a+)+$").read(name); },
                      {"cannot be matched with the name aaa", "write a simpler one"}));
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
