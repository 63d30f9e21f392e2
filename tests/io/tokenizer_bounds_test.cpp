// Tokenizers that would take too long, or fill the memory: each is refused quickly.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "io/json.hpp"
#include "io/text/tokenizer/tokenizer.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/seconds.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;

/// Far more than is needed, far less than what is refused would take.
constexpr double kSoon = 20;

class TokenizerBounds : public ::testing::Test {
 protected:
  static json added(int id, const std::string& content, bool normalized = false) {
    return {{"id", id},        {"content", content},       {"single_word", false}, {"lstrip", false},
            {"rstrip", false}, {"normalized", normalized}, {"special", true}};
  }
  static json split_by(const char* pattern) {
    return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  }
  Tokenizer open() const {
    folder.write("tokenizer.json", file.dump());
    return Tokenizer(folder.path());
  }
  /// Whether the file, or this text by it, is refused soon.
  ::testing::AssertionResult refused_soon(const std::string& text, std::vector<std::string_view> parts) const {
    parts.push_back("tokenizer.json");
    ::testing::AssertionResult result = ::testing::AssertionFailure();
    const double seconds = testing::seconds_of([&] { result = refuses([&] { open().encode(text); }, parts); });
    if (seconds > kSoon) return ::testing::AssertionFailure() << "it took " << seconds << " s";
    return result;
  }

  testing::TemporaryFolder folder;
  json file = {{"version", "1.0"},
               {"added_tokens", json::array()},
               {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {" ", 2}}}, {"merges", json::array()}}}};
};

TEST_F(TokenizerBounds, ManyAddedTokensAreReadInLinearTime) {
  for (int i = 0; i < 50'000; ++i) file["added_tokens"].push_back(added(3 + i, fmt::format("<extra_{}>", i)));
  EXPECT_LT(testing::seconds_of([&] {
              EXPECT_EQ(open().encode("a<extra_49999>b<extra_4>"), (std::vector<std::int32_t>{0, 50'002, 1, 7}));
            }),
            kSoon);
}

TEST_F(TokenizerBounds, TextOfAddedTokens) {
  file["added_tokens"].push_back(added(3, std::string(9 << 20, 'x')));
  EXPECT_TRUE(refused_soon("a", {"added_tokens", "bytes of text"}));
  file["added_tokens"] = {added(3, std::string(200'000, 'a'))};
  EXPECT_TRUE(refused_soon(std::string(199'999, 'a'), {"takes more than", "added_tokens"}));
}

TEST_F(TokenizerBounds, LongParts) {
  const json prepend{{"type", "Prepend"}, {"prepend", std::string(100'000, 'x')}};
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json(20, prepend)}};
  EXPECT_TRUE(refused_soon("a", {"normalizer", "longer than 65536 bytes"}));
  file["normalizer"] = prepend;
  file["normalizer"]["prepend"] = std::string(20'000, 'x');
  EXPECT_TRUE(refused_soon("a", {"rewrites a text of 1 bytes"}));
}

TEST_F(TokenizerBounds, TextsThatGrow) {
  const json replace{{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}};
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json(40, replace)}};
  EXPECT_TRUE(refused_soon(std::string(1000, 'a'), {"rewrites a text of 1000 bytes", "split the text"}));
  file["added_tokens"].push_back(added(3, "aaa", true));
  EXPECT_TRUE(refused_soon("b", {"rewrites a text of 3 bytes"}));
  file["added_tokens"] = json::array();
  file["normalizer"] = nullptr;
  const json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", json(40, byte_level)}};
  EXPECT_TRUE(refused_soon("\u00e9", {"rewrites a text of 2 bytes"}));
}

TEST_F(TokenizerBounds, ManySteps) {
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json(3000, {{"type", "Lowercase"}})}};
  EXPECT_TRUE(refused_soon(std::string(1 << 17, 'a'), {"takes more than", "a normalizer"}));
}

TEST_F(TokenizerBounds, RegularExpressionsThatBacktrack) {
  struct Case {
    const char* pattern;
    std::size_t length;
  };
  // The last two take few steps that PCRE2 counts: at every place, and in one match.
  for (const auto& [pattern, length] :
       {Case{"(a+)+[;=]", 1 << 14}, Case{"(a|aa)+[;=]", 1 << 14}, Case{".*.*.*[;=]", 1 << 14},
        Case{"[^\\n]*[;=]|.", 1 << 17}, Case{"(?:[^\\n]*(?=[;q])|.)*[;z]|.", 1 << 17}}) {
    file["pre_tokenizer"] = split_by(pattern);
    const std::string shown = json(pattern).dump();
    EXPECT_TRUE(refused_soon(std::string(length, 'a'), {shown})) << pattern;
  }
}

TEST_F(TokenizerBounds, LongRunsAreNoBacktracking) {
  file["pre_tokenizer"] = split_by("\\s+(?!\\S)|\\s+|a+");
  EXPECT_EQ(open().encode(std::string(1 << 20, ' ') + "a").size(), (1U << 20) + 1);
}

TEST_F(TokenizerBounds, LongPatternsThatAreNoRegularExpressions) {
  file["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", std::string(2000, 'a')}}}, {"content", "b"}};
  EXPECT_TRUE(refused_soon("a", {"pattern", "longer than 1024 bytes"}));
}

}  // namespace
}  // namespace logitfield::io
