#include "io/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "tests/io/refusal.hpp"
#include "tests/io/resident_memory.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, HoldsTheFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "content");
  const MappedFile file(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(text_of(file), "content");
}

TEST(MappedFile, MovesTakeTheBytesAlong) {
  const TemporaryFolder folder;
  MappedFile first(folder.write("a", "first"));
  MappedFile second(folder.write("b", "second"));
  MappedFile moved(std::move(first));
  EXPECT_EQ(text_of(moved), "first");
  moved = std::move(second);
  EXPECT_EQ(text_of(moved), "second");
  EXPECT_EQ(moved.path().filename(), "b");
}

TEST(MappedFile, AdviceOnAnyPartChangesNoByte) {
  const TemporaryFolder folder;
  std::string content(1'000'003, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 % 127);
  const MappedFile file(folder.write("a", content));
  for (const std::size_t begin : {0UL, 1UL, 4096UL, 500'000UL, content.size()}) {
    for (const std::size_t length : {0UL, 1UL, 4096UL, 400'000UL, content.size()}) {
      const auto part = file.bytes().subspan(begin, std::min(length, content.size() - begin));
      file.prefetch(part);
      file.release(part);
      ASSERT_EQ(text_of(file), content);
    }
  }
}

TEST(MappedFile, ReleasedPagesNoLongerCount) {
  const TemporaryFolder folder;
  constexpr std::size_t size = 64 << 20;
  const MappedFile file(folder.write("a", std::string(size, 'x')));
  const std::size_t before = testing::resident_file_bytes();
  EXPECT_EQ(std::ranges::count(file.bytes(), std::byte{'x'}), static_cast<std::ptrdiff_t>(size));
  EXPECT_GT(testing::resident_file_bytes(), before + size / 2);
  file.release(file.bytes());
  EXPECT_LT(testing::resident_file_bytes(), before + size / 8);
}

TEST(MappedFile, RefusesWhatCannotBeMapped) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { MappedFile(folder.path() / "none"); }, {"none", "No such file", "check the path"}));
  EXPECT_TRUE(refuses([&] { MappedFile(folder.write("empty", "")); }, {"empty", "the file is empty"}));
  EXPECT_TRUE(refuses([&] { MappedFile(folder.path()); }, {folder.path().string(), "not a regular file"}));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(refuses([&] { MappedFile(folder.path() / "pipe"); }, {"pipe", "not a regular file"}));
}

}  // namespace
}  // namespace logitfield::io
