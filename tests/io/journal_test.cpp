#include "io/run/journal.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::content_of;
using testing::refuses;
using testing::TemporaryFolder;

std::string text_of(const Journal::Record& record) {
  return {reinterpret_cast<const char*>(record.data()), record.size()};
}

void append(Journal& journal, std::string_view payload) { journal.append(std::as_bytes(std::span(payload))); }

std::vector<std::string> texts_in(const std::filesystem::path& path) {
  std::vector<std::string> texts;
  for (const auto& record : read_journal(path).records) texts.push_back(text_of(record));
  return texts;
}

/// A journal of three records and its bytes after each.
struct Written {
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "journal";
  std::vector<std::string> payloads = {"first", "", std::string(1000, 'x')};
  std::vector<std::size_t> ends;
  std::string bytes;

  Written() {
    auto journal = Journal::create(path);
    ends.push_back(content_of(path).size());
    for (const auto& payload : payloads) {
      append(journal, payload);
      ends.push_back(content_of(path).size());
    }
    bytes = content_of(path);
  }

  std::size_t num_complete(std::size_t size) const {
    std::size_t count = 0;
    while (count < payloads.size() && ends[count + 1] <= size) ++count;
    return count;
  }
};

TEST(Journal, EveryRecordIsReadBackAsSoonAsItIsAppended) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  auto journal = Journal::create(path);
  EXPECT_TRUE(texts_in(path).empty());
  append(journal, "first");
  EXPECT_EQ(texts_in(path), std::vector<std::string>{"first"});
  append(journal, "");
  append(journal, "third");
  EXPECT_EQ(texts_in(path), (std::vector<std::string>{"first", "", "third"}));
  EXPECT_EQ(read_journal(path).valid_bytes, content_of(path).size());
  EXPECT_EQ(read_journal(path).torn_bytes, 0U);
}

TEST(Journal, ATornTailAtAnyByteLosesNothingBeforeIt) {
  const Written written;
  for (std::size_t size = written.ends.front(); size <= written.bytes.size(); ++size) {
    written.folder.write("journal", written.bytes.substr(0, size));
    const auto content = read_journal(written.path);
    const std::size_t complete = written.num_complete(size);
    ASSERT_EQ(content.records.size(), complete) << size;
    ASSERT_EQ(content.valid_bytes, written.ends[complete]) << size;
    ASSERT_EQ(content.torn_bytes, size - written.ends[complete]) << size;
  }
}

TEST(Journal, AFlippedByteCostsItsRecordOnlyAndIsTold) {
  const Written written;
  for (std::size_t i = written.ends.front(); i < written.bytes.size(); ++i) {
    std::string bad = written.bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    written.folder.write("journal", bad);
    const std::size_t hit = written.num_complete(i), behind = written.payloads.size() - hit - 1;
    std::vector<std::string> expected = written.payloads;
    expected.erase(expected.begin() + static_cast<long>(hit));
    ASSERT_EQ(texts_in(written.path), expected) << i;
    const auto content = read_journal(written.path);
    ASSERT_EQ(content.valid_bytes + content.torn_bytes, bad.size()) << i;
    const std::size_t lost = written.ends[hit + 1] - written.ends[hit];
    ASSERT_EQ(content.torn_bytes, behind == 0 ? lost : 0) << i;
    ASSERT_EQ(content.damage.size(), behind == 0 ? 0U : 1U) << i;
    if (behind == 0) continue;
    EXPECT_EQ(content.damage[0].begin, written.ends[hit]);
    EXPECT_EQ(content.damage[0].bytes, lost);
    EXPECT_EQ(content.damage[0].records_behind, behind);
    EXPECT_EQ(damage_text(written.path, content).find(written.path.string() + ": " + std::to_string(lost) + " bytes"),
              0U);
  }
}

TEST(Journal, BytesThatAreMissingOrTooManyCostTheRecordsTheyTouchOnly) {
  const Written written;
  for (std::size_t i = written.ends[0]; i < written.ends[2]; ++i) {
    std::string shorter = written.bytes, longer = written.bytes;
    shorter.erase(i, 1);
    longer.insert(i, "??");
    for (const std::string& bad : {shorter, longer}) {
      written.folder.write("journal", bad);
      const std::vector<std::string> found = texts_in(written.path);
      ASSERT_FALSE(found.empty()) << i;
      ASSERT_EQ(found.back(), written.payloads.back()) << i;
      ASSERT_GE(found.size() + 1, written.payloads.size()) << i;
    }
  }
}

TEST(Journal, ADamagedJournalIsWrittenAnewWhenItGoesOn) {
  const Written written;
  std::string bad = written.bytes;
  bad[written.ends[0] + 3] = '?';
  written.folder.write("journal", bad);
  auto journal = Journal::extend(written.path, read_journal(written.path));
  append(journal, "more");
  EXPECT_EQ(texts_in(written.path), (std::vector<std::string>{"", written.payloads[2], "more"}));
  EXPECT_TRUE(read_journal(written.path).damage.empty());
}

/// A search that hashed a long part of the file at every byte would take days.
TEST(Journal, AFileMadeToBeSearchedForeverIsReadInTime) {
  const TemporaryFolder folder;
  std::string content = "logitfield-journal 1\n";
  const std::uint64_t length = 0x0004'0004;
  for (int i = 0; i < 1 << 20; ++i) content.append(reinterpret_cast<const char*>(&length), 8);
  EXPECT_TRUE(texts_in(folder.write("journal", content)).empty());
}

TEST(Journal, AnEmptyFileAndATornFirstLineGoOnWithoutRecords) {
  for (const char* text : {"", "l", "logitfield-journal 1"}) {
    const TemporaryFolder folder;
    const auto path = folder.write("journal", text);
    const JournalContent content = read_journal(path);
    EXPECT_TRUE(content.records.empty());
    EXPECT_EQ(content.torn_bytes, std::string_view(text).size());
    auto journal = Journal::extend(path, content);
    append(journal, "first");
    EXPECT_EQ(texts_in(path), std::vector<std::string>{"first"});
  }
}

TEST(Journal, ZerosLeftByACrashAreATornTail) {
  const Written written;
  written.folder.write("journal", written.bytes + std::string(4096, '\0'));
  EXPECT_EQ(read_journal(written.path).records.size(), 3U);
  EXPECT_EQ(read_journal(written.path).torn_bytes, 4096U);
}

TEST(Journal, RefusesOtherFiles) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refuses([&] { read_journal(folder.path() / "none"); }, {"none", "No such file"}));
  for (const char* text : {"logitfield-journal 2\n", "something else entirely"}) {
    EXPECT_TRUE(refuses([&] { read_journal(folder.write("b", text)); }, {"/b", "logitfield-journal 1", "version"}));
  }
}

TEST(Journal, RefusesToStartWhereOneExistsOrCannotBe) {
  const Written written;
  EXPECT_TRUE(refuses([&] { Journal::create(written.path); }, {written.path.string(), "exists"}));
  EXPECT_EQ(content_of(written.path), written.bytes);
  const auto nowhere = written.folder.path() / "none" / "journal";
  EXPECT_TRUE(refuses([&] { Journal::create(nowhere); }, {nowhere.string(), "No such file"}));
}

TEST(Journal, AFullDiskLosesOnlyTheRecordThatDidNotFit) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  const auto path = disk.path() / "journal";
  auto journal = Journal::create(path);
  append(journal, "first");
  const std::string large(2 * disk.size, 'x');
  EXPECT_TRUE(refuses([&] { append(journal, large); }, {"journal", "No space left", "free space"}));
  EXPECT_EQ(texts_in(path), std::vector<std::string>{"first"});
  EXPECT_EQ(read_journal(path).torn_bytes, 0U);
  append(journal, "second");
  EXPECT_EQ(texts_in(path), (std::vector<std::string>{"first", "second"}));
}

TEST(Journal, GoesOnBehindTheLastCompleteRecordWhereverItWasCut) {
  for (const std::size_t cut : {0u, 1u, 15u, 16u, 17u, 500u}) {
    const Written written;
    std::filesystem::resize_file(written.path, written.bytes.size() - cut);
    const JournalContent content = read_journal(written.path);
    auto journal = Journal::extend(written.path, content);
    append(journal, "more");
    std::vector<std::string> expected(written.payloads.begin(),
                                      written.payloads.begin() + static_cast<long>(content.records.size()));
    expected.push_back("more");
    EXPECT_EQ(expected.size(), written.num_complete(written.bytes.size() - cut) + 1);
    EXPECT_EQ(texts_in(written.path), expected);
    EXPECT_EQ(read_journal(written.path).torn_bytes, 0u);
  }
}

}  // namespace
}  // namespace logitfield::io
