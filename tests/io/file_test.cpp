#include "io/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/unprivileged.hpp"

namespace logitfield::io {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

std::size_t num_entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ReadFile, ReturnsEveryByteUpToTheLimit) {
  const TemporaryFolder folder;
  const std::string content(3'000'000, 'x');
  EXPECT_EQ(read_file(folder.write("a", content), content.size()), content);
  EXPECT_EQ(read_file(folder.write("empty", ""), 0), "");
  EXPECT_TRUE(refuses([&] { read_file(folder.path() / "a", content.size() - 1); }, {"/a", "2999999 bytes"}));
}

TEST(ReadFile, NamesFileAndReason) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { read_file(folder.path() / "none", 10); }, {"none", "No such file", "check the path"}));
  EXPECT_TRUE(refuses([&] { read_file(folder.path(), 10); }, {folder.path().string(), "directory"}));
}

// A pipe waits for its writer, and a device never ends.
TEST(ReadFile, OnlyRegularFilesAreRead) {
  const TemporaryFolder folder;
  const auto pipe = folder.path() / "config.json";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(refuses([&] { read_file(pipe, 10); }, {"config.json", "is a pipe", "give a file"}));
  fs::create_symlink("/dev/zero", folder.path() / "zeros");
  EXPECT_TRUE(refuses([&] { read_file(folder.path() / "zeros", 10); }, {"zeros", "is a device", "give a file"}));
  EXPECT_GT(read_file("/proc/self/status", 1 << 20).size(), 100U) << "its size is said to be 0";
}

TEST(ReadFile, AFileWithoutPermissionIsNotReadable) {
  const testing::Unprivileged user;
  if (!user.available()) GTEST_SKIP() << "root could not become nobody, and permissions do not bind root";
  const TemporaryFolder folder;
  fs::permissions(folder.write("a", "x"), fs::perms::none);
  EXPECT_TRUE(refuses([&] { read_file(folder.path() / "a", 10); }, {"/a", "not readable"}));
}

TEST(WriteAtomically, ReplacesTheFileAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "old");
  write_atomically(path, "new");
  EXPECT_EQ(content_of(path), "new");
  EXPECT_EQ(num_entries(folder.path()), 1U);
}

TEST(WriteAtomically, AnyExceptionKeepsTheOldFileAndRemovesTheTemporary) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "old");
  const auto fail = [](const fs::path& temporary) {
    OutputFile(temporary, true).write(bytes_of("half"));
    throw std::logic_error("interrupted");
  };
  EXPECT_THROW(write_atomically(path, fail), std::logic_error);
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(num_entries(folder.path()), 1U);
}

TEST(WriteAtomically, TheTargetIsUntouchedWhileTheTemporaryIsWritten) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "old");
  write_atomically(path, [&](const fs::path& temporary) {
    OutputFile(temporary, true).write(bytes_of("new"));
    EXPECT_EQ(temporary.parent_path(), folder.path());
    EXPECT_EQ(content_of(path), "old");
  });
  EXPECT_EQ(content_of(path), "new");
}

TEST(WriteAtomically, NamesThePathAndTheReason) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "none" / "a.txt";
  EXPECT_TRUE(refuses([&] { write_atomically(path, "x"); }, {path.string(), "cannot write", "No such file"}));
  fs::create_directories(folder.path() / "busy" / "inside");
  EXPECT_TRUE(refuses([&] { write_atomically(folder.path() / "busy", "x"); }, {"busy", "cannot write", "directory"}));
  EXPECT_EQ(num_entries(folder.path()), 1U);
}

TEST(WriteAtomically, AFullDiskKeepsTheOldFileAndRemovesTheTemporary) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  const auto path = disk.path() / "a.txt";
  write_atomically(path, "old");
  const std::string content(2 * disk.size, 'x');
  EXPECT_TRUE(refuses([&] { write_atomically(path, content); }, {"a.txt", "No space left", "free space"}));
  EXPECT_EQ(content_of(path), "old");
  EXPECT_EQ(num_entries(disk.path()), 1U);
}

TEST(WriteAtomically, AFolderWithoutPermissionIsNotWritable) {
  const testing::Unprivileged user;
  if (!user.available()) GTEST_SKIP() << "root could not become nobody, and permissions do not bind root";
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_TRUE(refuses([&] { write_atomically(folder.path() / "a", "x"); }, {"/a", "not writable"}));
}

TEST(OutputFile, AppendsTruncatesAndCuts) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "12");
  OutputFile(path, false).write(bytes_of("34"));
  EXPECT_EQ(content_of(path), "1234");
  OutputFile file(path, true);
  EXPECT_EQ(content_of(path), "");
  file.write(bytes_of("abcdef"));
  file.truncate_to(2);
  file.write(bytes_of("X"));
  file.sync();
  EXPECT_EQ(content_of(path), "abX");
}

TEST(OutputFile, AFullDeviceIsNamedAsSuch) {
  OutputFile file("/dev/full", false);
  EXPECT_TRUE(refuses([&] { file.write(bytes_of("x")); }, {"/dev/full", "cannot write", "disk is full", "free space"}));
}

}  // namespace
}  // namespace logitfield::io
