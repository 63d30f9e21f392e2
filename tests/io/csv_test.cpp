#include "io/csv.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

TEST(Csv, QuotesOnlyWhatNeedsIt) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.csv";
  const std::vector<std::vector<std::string>> rows = {{"", "plain"}, {"a,b", "say \"hi\""}, {"two\nlines", "1.5"}};
  write_csv(path, {"first", "the, second"}, rows.size(), [&](std::size_t i) { return rows[i]; });
  EXPECT_EQ(content_of(path),
            "first,\"the, second\"\n"
            ",plain\n"
            "\"a,b\",\"say \"\"hi\"\"\"\n"
            "\"two\nlines\",1.5\n");
}

TEST(Csv, TextsThatSpreadsheetsTakeForFormulasAreTexts) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.csv";
  const std::vector<std::string> cells = {"=1+1", "+x",   "-x",      "@x",      "\tx", "=a,b",
                                          "-1.5", "-inf", "-1e-300", "-1e-400", "a=b"};
  write_csv(path, {"name"}, cells.size(), [&](std::size_t i) { return std::vector{cells[i]}; });
  EXPECT_EQ(content_of(path), "name\n'=1+1\n'+x\n'-x\n'@x\n'\tx\n\"'=a,b\"\n-1.5\n-inf\n-1e-300\n-1e-400\na=b\n");
}

TEST(Csv, LongTablesAreComplete) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.csv";
  constexpr std::size_t num_rows = 300'000;
  write_csv(path, {"i", "j"}, num_rows, [](std::size_t i) { return std::vector{std::to_string(i), std::string("x")}; });
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "i,j");
  for (std::size_t i = 0; i < num_rows; ++i) {
    ASSERT_TRUE(std::getline(file, line));
    ASSERT_EQ(line, std::to_string(i) + ",x");
  }
  EXPECT_FALSE(std::getline(file, line));
}

TEST(Csv, RowsOfAnotherLengthAreProgrammingErrors) {
  const TemporaryFolder folder;
  const auto row = [](std::size_t) { return std::vector<std::string>{"1"}; };
  EXPECT_THROW(write_csv(folder.path() / "x.csv", {"a", "b"}, 1, row), std::invalid_argument);
  EXPECT_THROW(write_csv(folder.path() / "x.csv", {}, 0, row), std::invalid_argument);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Csv, NamesAFileThatCannotBeWritten) {
  const TemporaryFolder folder;
  const auto row = [](std::size_t) { return std::vector{std::string(1000, 'x')}; };
  EXPECT_TRUE(
      refuses([&] { write_csv(folder.path() / "none" / "x.csv", {"a"}, 1, row); }, {"none/x.csv", "No such file"}));
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  EXPECT_TRUE(
      refuses([&] { write_csv(disk.path() / "x.csv", {"a"}, 100, row); }, {"x.csv", "No space left", "free space"}));
}

}  // namespace
}  // namespace logitfield::io
