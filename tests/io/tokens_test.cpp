#include "io/text/tokens.hpp"

#include <gtest/gtest.h>

#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

::testing::AssertionResult refused_tokens(const std::string& list, std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.json", list);
  parts.push_back("x.json");
  return refuses([&] { read_tokens(path, 10); }, parts);
}

TEST(Tokens, ReadsAList) {
  const TemporaryFolder folder;
  const auto text = read_tokens(folder.write("a story.json", "[0, 9, 3]"), 10);
  EXPECT_EQ(text.name, "a story");
  EXPECT_EQ(text.tokens, (std::vector<std::int32_t>{0, 9, 3}));
}

TEST(Tokens, ReadsAnArray) {
  const TemporaryFolder folder;
  const std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  const std::string start = "\x93NUMPY\x01" + std::string(1, '\0') + static_cast<char>(header.size()) + '\0' + header;
  const auto path = folder.write("b.npy", start + std::string("\x05\0\0\0\x0a\0\0\0", 8));
  EXPECT_EQ(read_tokens(path, 11).tokens, (std::vector<std::int32_t>{5, 10}));
  EXPECT_TRUE(refuses([&] { read_tokens(path, 10); }, {"b.npy", "token 1 is 10", "0 ... 9"}));
}

TEST(Tokens, ReadsWhatTokenizersReturn) {
  const TemporaryFolder folder;
  for (const char* form :
       {"[1, 2]", "[[1, 2]]", R"({"input_ids": [1, 2], "attention_mask": [1, 1]})", R"({"input_ids": [[1, 2]]})"}) {
    EXPECT_EQ(read_tokens(folder.write("t.json", form), 10).tokens, (std::vector<std::int32_t>{1, 2})) << form;
  }
}

TEST(Tokens, ReadsRawFilesOfAKnownKind) {
  const TemporaryFolder folder;
  const auto path = folder.write("t.bin", std::string("\x01\x00\x02\x01", 4));
  EXPECT_EQ(read_tokens(path, 300, IntegerKind::u2).tokens, (std::vector<std::int32_t>{1, 258}));
  EXPECT_EQ(read_tokens(path, 300, IntegerKind::u1).tokens, (std::vector<std::int32_t>{1, 0, 2, 1}));
  EXPECT_TRUE(refuses([&] { read_tokens(path, 300); }, {"t.bin", "name their type"}));
  EXPECT_TRUE(refuses([&] { read_tokens(path, 300, IntegerKind::i8); }, {"t.bin", "4 bytes", "another type"}));
  EXPECT_TRUE(refuses([&] { read_tokens(path, 200, IntegerKind::u2); }, {"token 1 is 258"}));
  EXPECT_EQ(integer_kind("uint16"), IntegerKind::u2);
  EXPECT_FALSE(integer_kind("float32"));
}

TEST(Tokens, RefusesIdsOutsideTheVocabulary) {
  EXPECT_TRUE(refused_tokens("[1, 2, 10]", {"token 2 is 10", "0 ... 9", "tokenizer"}));
  EXPECT_TRUE(refused_tokens("[-1]", {"token 0 is -1"}));
  EXPECT_TRUE(refused_tokens("[4294967297]", {"token 0 is 4294967297"}));
}

TEST(Tokens, RefusesWhatIsNoListOfIntegers) {
  EXPECT_TRUE(refused_tokens("[]", {"no tokens"}));
  EXPECT_TRUE(refused_tokens("{}", {"list of token ids", "an object"}));
  EXPECT_TRUE(refused_tokens("[1, 2.0]", {"element 1 is 2.0"}));
  EXPECT_TRUE(refused_tokens("[\"a\"]", {"element 0 is \"a\""}));
  EXPECT_TRUE(refused_tokens("[[1], [2]]", {"2 lists", "one text in each file"}));
  EXPECT_TRUE(refused_tokens("[1, [2]]", {"element 1 is a list"}));
  EXPECT_TRUE(refused_tokens(R"({"input_ids": 3})", {"list of token ids", "3"}));
  EXPECT_TRUE(refused_tokens("[18446744073709551615]", {"18446744073709551615"}));
}

TEST(Tokens, RefusesOtherExtensions) {
  const TemporaryFolder folder;
  EXPECT_TRUE(
      refuses([&] { read_tokens(folder.write("a.txt", "hello"), 10); }, {"a.txt", "\".txt\"", ".npy", ".json"}));
  EXPECT_TRUE(refuses([&] { read_tokens(folder.path() / "none.json", 10); }, {"none.json", "No such file"}));
}

}  // namespace
}  // namespace logitfield::io
