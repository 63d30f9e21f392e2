#include "io/run/run_folder.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/unprivileged.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;
using testing::refuses;
using testing::TemporaryFolder;

TEST(RunFolder, CheckingChangesNothingAndCreatingMakesParents) {
  const TemporaryFolder folder;
  for (const char* name : {"run", "a/b/run", "with-slash/"}) {
    const auto root = folder.path() / name;
    check_new_run_folder(root, 1);
    EXPECT_FALSE(fs::exists(root));
    EXPECT_TRUE(fs::is_directory(create_run_folder(root).root));
    EXPECT_TRUE(fs::is_directory(root));
  }
  EXPECT_NO_THROW(check_new_run_folder("a-relative-name-that-nobody-has", 1));
}

TEST(RunFolder, RefusesWhatExists) {
  const TemporaryFolder folder;
  folder.write("file", "");
  fs::create_symlink("nowhere", folder.path() / "link");
  for (const fs::path& root : {folder.path(), folder.path() / "", folder.path() / "file", folder.path() / "link"}) {
    const std::vector<std::string_view> parts = {folder.path().native(), "exists", "choose another"};
    EXPECT_TRUE(refuses([&] { check_new_run_folder(root, 0); }, parts));
    EXPECT_TRUE(refuses([&] { create_run_folder(root); }, parts));
  }
  EXPECT_TRUE(refuses([] { check_new_run_folder("", 0); }, {"empty"}));
}

TEST(RunFolder, RefusesAParentThatIsNoFolder) {
  const TemporaryFolder folder;
  const auto root = folder.write("file", "") / "run";
  EXPECT_TRUE(refuses([&] { check_new_run_folder(root, 0); }, {"file", "Not a directory"}));
  EXPECT_TRUE(refuses([&] { create_run_folder(root); }, {"file/run", "Not a directory"}));
}

TEST(RunFolder, RefusesAParentThatIsNotWritable) {
  const testing::Unprivileged user;
  if (!user.available()) GTEST_SKIP() << "root could not become nobody, and permissions do not bind root";
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_TRUE(
      refuses([&] { check_new_run_folder(folder.path() / "run", 0); }, {folder.path().native(), "not writable"}));
}

TEST(RunFolder, RefusesAParentThatMayNotBeSearched) {
  const testing::Unprivileged user;
  if (!user.available()) GTEST_SKIP() << "root could not become nobody, and permissions do not bind root";
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::none);
  const auto root = folder.path() / "a" / "run";
  const std::vector<std::string_view> parts = {folder.path().native(), "not writable"};
  EXPECT_TRUE(refuses([&] { check_new_run_folder(root, 0); }, parts));
  EXPECT_TRUE(refuses([&] { create_run_folder(root); }, parts));
  EXPECT_TRUE(refuses([&] { open_run_folder(root); }, {folder.path().native(), "manifest.json"}));
}

TEST(RunFolder, RefusesWhatDoesNotFitOnTheDisk) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { check_new_run_folder(folder.path() / "run", std::uint64_t{1} << 62); },
                      {"run", "4611686018427387904 bytes", "free"}));
}

TEST(RunFolder, OpensOnlyTheFolderOfARun) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { open_run_folder(folder.path() / "none"); }, {"none", "manifest.json"}));
  EXPECT_TRUE(refuses([&] { open_run_folder(folder.path()); }, {folder.path().native(), "manifest.json"}));
  folder.write("manifest.json", "{}");
  EXPECT_TRUE(refuses([&] { open_run_folder(folder.path()); }, {folder.path().native(), "journal"}));
  folder.write("journal", "");
  EXPECT_EQ(open_run_folder(folder.path()).journal(), folder.path() / "journal");
}

}  // namespace
}  // namespace logitfield::io
