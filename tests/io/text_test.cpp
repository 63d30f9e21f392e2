#include "io/text/documents.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

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

/// The content of a .gz file of one member.
std::string gzipped(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST_F(Text, CompressedFilesAreRead) {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += std::to_string(i) + " caf\u00e9\n";
  for (const auto& [extension, compress] : {std::pair(".gz", &gzipped), std::pair(".zst", &zstd)}) {
    SCOPED_TRACE(extension);
    const auto name = [&](const std::string& before) { return before + extension; };
    const auto whole = read(name("book.txt"), compress(text));
    EXPECT_EQ(whole.at(0).name, "book");
    EXPECT_TRUE(whole.at(0).text == text);
    // One after another, as logs are written.
    EXPECT_EQ(read(name("book.txt"), compress("one ") + compress("two")).at(0).text, "one two");
    const auto lines = read(name("c.jsonl"), compress("{\"text\": \"a\"}\n{\"text\": \"b\"}\n"));
    EXPECT_EQ(lines.at(1).name, "c-2");
    EXPECT_EQ(read(name("l.json"), compress("[\"x\"]")).at(0).name, "l-0");
    EXPECT_EQ(read("a.txt", compress("told by its content")).at(0).text, "told by its content");
    EXPECT_EQ(read(name("a.txt"), "no longer compressed").at(0).name, "a");
  }
}

TEST_F(Text, DamagedCompressedFilesAreRefused) {
  for (const std::string& whole : {gzipped("some text"), zstd("some text that is a little longer, some text")}) {
    for (std::size_t size = 4; size < whole.size(); ++size) {
      EXPECT_TRUE(refused("a.gz", whole.substr(0, size), {"cannot be decompressed"})) << size;
    }
    EXPECT_TRUE(refused("a.gz", whole + "more", {"cannot be decompressed"}));
  }
  EXPECT_TRUE(refused("a.gz", gzipped(""), {"the text is empty"}));
  EXPECT_EQ(read("a.gz", gzipped("padded") + std::string(100, '\0')).at(0).text, "padded");
}

// 100 MB in 100 kB and in 10 kB.
TEST_F(Text, WhatIsDecompressedIsBounded) {
  const std::string large(100'000'000, 'a');
  for (const std::string& bomb : {gzipped(large), zstd(large)}) {
    EXPECT_LT(bomb.size(), 200'000U);
    const auto path = folder.write("bomb.txt.gz", bomb);
    EXPECT_TRUE(refuses([&] { read_documents(path, 50'000'000); }, {"bomb.txt.gz", "50000000 bytes", "decompressed"}));
    EXPECT_EQ(read_documents(path).at(0).text.size(), large.size());
  }
}

TEST_F(Text, OtherCompressedFilesAndArchivesAreNamed) {
  EXPECT_TRUE(refused("a.gz.gz", gzipped(gzipped("a")), {"a.gz.gz", "gzip twice", "gunzip"}));
  EXPECT_TRUE(refused("a.tar.gz", gzipped(std::string(257, 'a') + "ustar"), {"tar archive", "unpack"}));
  EXPECT_TRUE(refused("a.bz2", "BZh9", {"bzip2"}));
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
  EXPECT_TRUE(refused("a.json", "[\"a\", 5]", {"element 1 is 5", "token ids"}));
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
