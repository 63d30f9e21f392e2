#include "io/text/documents.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;

class Text : public ::testing::Test {
 protected:
  std::vector<Document> read(const std::string& name, std::string_view content) const {
    return read_documents(folder.write(name, content));
  }
  ::testing::AssertionResult refused(const std::string& name, std::string_view content,
                                     std::vector<std::string_view> parts) const {
    parts.push_back(name);
    return refuses([&] { read(name, content); }, parts);
  }

  testing::TemporaryFolder folder;
};

TEST_F(Text, AFileIsOneDocumentByteForByte) {
  const std::string content = "\xEF\xBB\xBFone\r\ntwo\n";
  const auto documents = read("a story.txt", content);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].name, "a story");
  EXPECT_EQ(documents[0].text, content);
  EXPECT_EQ(read("README", "x").at(0).name, "README");
}

TEST_F(Text, LinesOfJsonAreDocuments) {
  const auto documents =
      read("c.jsonl",
           "{\"text\": \"a\\nb\"}\r\n\n{\"name\": \"n\", \"text\": \"c\", \"url\": 1}\n{\"id\": 7, \"text\": \"d\"}");
  ASSERT_EQ(documents.size(), 3u);
  EXPECT_EQ(documents[0].name, "c-1");
  EXPECT_EQ(documents[0].text, "a\nb");
  EXPECT_EQ(documents[1].name, "n");
  EXPECT_EQ(documents[2].name, "7");
  EXPECT_EQ(read("c.ndjson", "{\"text\": \"a\"}").size(), 1u);
}

TEST_F(Text, IdsThatAreNoNamesAreLeftOut) {
  for (const char* id : {"\"https://example.org/a\"", "\"a/b\"", "\"..\"", "\".hidden\"", "\"a\\nb\"", "\"\"", "[]",
                         "{\"$oid\": \"5f\"}", "1.5", "null", "true"}) {
    for (const char* key : {"id", "name"}) {
      const auto line = fmt::format("{{\"{}\": {}, \"text\": \"a\"}}", key, id);
      EXPECT_EQ(read("c.jsonl", line).at(0).name, "c-1") << line;
    }
  }
  EXPECT_EQ(read("c.jsonl", R"({"name": "a/b", "id": "n", "text": "a"})").at(0).name, "n");
}

TEST_F(Text, TheRestOfALineNeedNotBeStrictJson) {
  for (const char* rest : {"NaN", "Infinity", "-Infinity", "[NaN, {\"a\": -Infinity}]"}) {
    const auto line = fmt::format("{{\"score\": {}, \"text\": \"NaN \\\"Infinity\\\" -Infinity\"}}", rest);
    EXPECT_EQ(read("c.jsonl", line).at(0).text, "NaN \"Infinity\" -Infinity") << line;
  }
  EXPECT_EQ(read("c.jsonl", R"({"lang": "en", "text": "a", "lang": "de"})").at(0).text, "a");
  EXPECT_TRUE(refused("c.jsonl", R"({"score": NaNa, "text": "a"})", {"line 1", "not valid JSON"}));
}

TEST_F(Text, CompressedFilesAndArchivesAreNamed) {
  EXPECT_TRUE(refused("a.jsonl.gz", "\x1F\x8B\x08", {"a.jsonl.gz", "gzip", "gunzip"}));
  EXPECT_TRUE(refused("a.txt", "\x28\xB5\x2F\xFD", {"zstd"}));
  EXPECT_TRUE(refused("a.parquet", "PAR1", {"Parquet", ".jsonl"}));
  EXPECT_TRUE(refused("a.zip", "PK\x03\x04", {"zip", "unpack"}));
}

TEST_F(Text, AListHoldsDocuments) {
  const auto documents = read("l.json", "[\"x\", \"y\"]");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[1].name, "l-1");
  EXPECT_EQ(documents[1].text, "y");
}

TEST_F(Text, WhatIsNoUtf8IsRefused) {
  EXPECT_TRUE(refused("a.txt", "ab\xFF", {"byte 2", "0xFF", "line 1", "convert"}));
  EXPECT_TRUE(refused("a.jsonl", "{\"text\": \"x\"}\n{\"text\": \"\xE9\"}", {"byte 24", "0xE9", "line 2"}));
}

TEST_F(Text, WhatIsNoDocumentIsRefused) {
  EXPECT_TRUE(refused("a.jsonl", "{\"text\": \"x\"}\n{\"txt\": \"y\"}", {"line 2", "\"text\" is missing"}));
  EXPECT_TRUE(refused("a.jsonl", "{\"text\": 3}", {"line 1", "\"text\"", "3"}));
  EXPECT_TRUE(refused("a.jsonl", "{\"text\": ", {"line 1", "not valid JSON"}));
  EXPECT_TRUE(refused("a.jsonl", R"({"text": "a", "text": "b"})", {"line 1", "\"text\" appears twice"}));
  EXPECT_TRUE(refused("a.jsonl", R"({"text": NaN})", {"line 1", "\"text\"", "null"}));
  EXPECT_TRUE(refused("a.json", "{}", {"list of texts"}));
  EXPECT_TRUE(refused("a.json", "[\"a\", 5]", {"element 1 is 5", "--tokens"}));
}

TEST_F(Text, EmptyDocumentsAreRefused) {
  EXPECT_TRUE(refused("a.txt", "", {"empty"}));
  EXPECT_TRUE(refused("a.jsonl", "{\"text\": \"\"}", {"line 1", "empty"}));
  EXPECT_TRUE(refused("a.json", "[\"a\", \"\"]", {"element 1", "empty"}));
  EXPECT_TRUE(refused("a.json", "[]", {"no texts"}));
  EXPECT_TRUE(refused("a.jsonl", "\n", {"no texts"}));
  EXPECT_TRUE(refuses([&] { read_documents(folder.path() / "none.txt"); }, {"none.txt", "No such file"}));
}

}  // namespace
}  // namespace logitfield::io
