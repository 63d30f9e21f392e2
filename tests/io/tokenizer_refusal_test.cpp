// Each test makes one change to a valid tokenizer.json.
#include <gtest/gtest.h>

#include "io/json.hpp"
#include "io/text/tokenizer/tokenizer.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;
using testing::refuses;

class TokenizerRefusal : public ::testing::Test {
 protected:
  json sound() const {
    return json::parse(R"({
      "version": "1.0", "truncation": {"max_length": 2}, "padding": null,
      "added_tokens": [{"id": 4, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                        "normalized": false, "special": true}],
      "normalizer": {"type": "Prepend", "prepend": "_"},
      "pre_tokenizer": {"type": "Digits", "individual_digits": true},
      "post_processor": {"type": "TemplateProcessing", "pair": [],
                         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                         "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
      "decoder": null,
      "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "vocab": {"a": 0, "b": 1, "ab": 2, "_": 3}, "merges": ["a b"]}})");
  }

  Tokenizer open(const json& file) const {
    folder.write("tokenizer.json", file.dump());
    return Tokenizer(folder.path());
  }

  /// Sets the value at a JSON pointer and expects a refusal.
  ::testing::AssertionResult refused_tokenizer(const char* pointer, const json& value,
                                               std::vector<std::string_view> parts) const {
    json file = sound();
    file[json::json_pointer(pointer)] = value;
    parts.push_back("tokenizer.json");
    return refuses([&] { open(file); }, parts);
  }

  testing::TemporaryFolder folder;
};

TEST_F(TokenizerRefusal, TheUnchangedFileIsAccepted) {
  Tokenizer tokenizer = open(sound());
  EXPECT_EQ(tokenizer.encode("ab<s>b"), (std::vector<std::int32_t>{3, 2, 4, 3, 1}));
  EXPECT_EQ(tokenizer.bos(), 4);
}

TEST_F(TokenizerRefusal, PiecesAreWrittenAsInTheFile) {
  const std::vector<std::int32_t> ids = {3, 2, 4, 5};
  EXPECT_EQ(open(sound()).pieces(ids), (std::vector<std::string>{"_", "ab", "<s>", ""}));
}

TEST_F(TokenizerRefusal, NoFile) {
  EXPECT_TRUE(
      refuses([&] { Tokenizer(folder.path()); }, {"tokenizer.json", "no such file", "token ids", "AutoTokenizer"}));
}

TEST_F(TokenizerRefusal, DamagedFiles) {
  for (const char* content : {"", "{", "[]", "{\"model\": {}}", "\xFF", "{\"a\": 1, \"a\": 2}"}) {
    folder.write("tokenizer.json", content);
    EXPECT_TRUE(refuses([&] { Tokenizer(folder.path()); }, {"tokenizer.json"})) << content;
  }
}

TEST_F(TokenizerRefusal, UnknownParts) {
  EXPECT_TRUE(refused_tokenizer("/version", "2.0", {"version", "2.0"}));
  EXPECT_TRUE(refused_tokenizer("/extra", 1, {"\"extra\"", "token ids"}));
  EXPECT_TRUE(refused_tokenizer("/normalizer", {{"type", "Nmt"}}, {"normalizer", "\"Nmt\"", "token ids"}));
  EXPECT_TRUE(refused_tokenizer("/normalizer/how", 1, {"normalizer", "\"how\""}));
  EXPECT_TRUE(refused_tokenizer("/normalizer", 3, {"normalizer", "3"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", {{"type", "UnicodeScripts"}}, {"pre_tokenizer", "UnicodeScripts"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Bert"}}}}},
                                {"pretokenizers 0", "Bert"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", {{"pattern", "x"}}, {"pre_tokenizer", "\"type\" is missing"}));
  EXPECT_TRUE(refused_tokenizer("/post_processor", {{"type", "Own"}}, {"post_processor", "Own"}));
}

TEST_F(TokenizerRefusal, PartsThatAreMalformed) {
  const auto split = [](const json& pattern, const char* behavior) {
    return json{{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", false}};
  };
  EXPECT_TRUE(
      refused_tokenizer("/pre_tokenizer", split({{"Regex", "\\p{Han}"}}, "Isolated"), {"pre_tokenizer", "Han"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", split({{"Glob", "*"}}, "Isolated"), {"Glob"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", split({{"String", ""}}, "Isolated"), {"\"pattern\" is empty"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", split({{"String", "x"}}, "Dropped"), {"behavior", "Dropped"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer/individual_digits", "yes", {"individual_digits", "yes"}));
  const json metaspace{{"type", "Metaspace"}, {"replacement", "__"}};
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer", metaspace, {"replacement", "__"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer",
                                {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}},
                                {"prepend_scheme", "last"}));
  EXPECT_TRUE(refused_tokenizer("/pre_tokenizer",
                                {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "first"}},
                                {"prepend_scheme", "normalizer"}));
  EXPECT_TRUE(refused_tokenizer("/normalizer/prepend", 1, {"prepend", "1"}));
}

TEST_F(TokenizerRefusal, OtherModels) {
  for (const char* type : {"Unigram", "WordPiece", "WordLevel"}) {
    EXPECT_TRUE(refused_tokenizer("/model/type", type, {"model", type, "token ids"}));
  }
  EXPECT_TRUE(refused_tokenizer("/model/dropout", 0.1, {"dropout", "0.1"}));
  EXPECT_TRUE(refused_tokenizer("/model/continuing_subword_prefix", "##", {"continuing_subword_prefix", "##"}));
  EXPECT_TRUE(refused_tokenizer("/model/end_of_word_suffix", "</w>", {"end_of_word_suffix", "</w>"}));
  EXPECT_TRUE(refused_tokenizer("/model/max_input_chars_per_word", 100, {"max_input_chars_per_word"}));
}

TEST_F(TokenizerRefusal, BadVocabularies) {
  EXPECT_TRUE(refused_tokenizer("/model/vocab", json::array(), {"vocab", "a list"}));
  EXPECT_TRUE(refused_tokenizer("/model/vocab", json::object(), {"vocab", "empty"}));
  EXPECT_TRUE(refused_tokenizer("/model/vocab/a", -1, {"\"a\"", "-1"}));
  EXPECT_TRUE(refused_tokenizer("/model/vocab/a", 1.5, {"\"a\"", "1.5"}));
  EXPECT_TRUE(refused_tokenizer("/model/vocab/a", 4294967296, {"\"a\"", "4294967296"}));
}

TEST_F(TokenizerRefusal, BadMerges) {
  EXPECT_TRUE(refused_tokenizer("/model/merges", json::object(), {"merges"}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", "ab", {"merge 0", "\"ab\""}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", "a b c", {"merge 0", "\"a b c\""}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", {"a", "b", "c"}, {"merge 0"}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", {"a", 1}, {"merge 0"}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", "a c", {"merge 0", "\"c\"", "vocabulary"}));
  EXPECT_TRUE(refused_tokenizer("/model/merges/0", "b a", {"merge 0", "\"ba\"", "vocabulary"}));
}

TEST_F(TokenizerRefusal, BadAddedTokens) {
  EXPECT_TRUE(refused_tokenizer("/added_tokens/0/id", 5, {"added_tokens 0", "<s>", "5", "4"}));
  EXPECT_TRUE(refused_tokenizer("/added_tokens/0/content", "ab", {"added_tokens 0", "\"ab\"", "4", "2"}));
  EXPECT_TRUE(refused_tokenizer("/added_tokens/0/content", "", {"content"}));
  EXPECT_TRUE(refused_tokenizer("/added_tokens/0/colour", 1, {"colour"}));
  EXPECT_TRUE(refused_tokenizer("/added_tokens", {{"<s>", 4}}, {"added_tokens"}));
  json twice = sound().at("added_tokens");
  twice.push_back(twice[0]);
  twice[1]["id"] = 5;
  EXPECT_TRUE(refused_tokenizer("/added_tokens", twice, {"added_tokens 1", "another"}));
}

TEST_F(TokenizerRefusal, BadPostProcessors) {
  const char* ids = "/post_processor/special_tokens/<s>/ids";
  EXPECT_TRUE(refused_tokenizer(ids, {-1}, {"-1", "not a token id"}));
  EXPECT_TRUE(refused_tokenizer(ids, {4, 4}, {"2 tokens before"}));
  EXPECT_TRUE(refused_tokenizer("/post_processor/single/0/SpecialToken/id", "</s>", {"</s>", "special_tokens"}));
  EXPECT_TRUE(refused_tokenizer("/post_processor/single", json::array(), {"does not include the text"}));
  EXPECT_TRUE(refused_tokenizer("/post_processor/single/0", {{"Other", 1}}, {"Other"}));
}

TEST_F(TokenizerRefusal, ClassTokensGoInFront) {
  json file = sound();
  for (const char* type : {"RobertaProcessing", "BertProcessing"}) {
    file["post_processor"] = {{"type", type}, {"sep", {"</s>", 2}}, {"cls", {"<s>", 4}}};
    EXPECT_EQ(open(file).bos(), 4) << type;
  }
  EXPECT_TRUE(refused_tokenizer("/post_processor", {{"type", "BertProcessing"}, {"cls", "<s>"}},
                                {"post_processor", "\"cls\""}));
}

TEST_F(TokenizerRefusal, TextsThatCannotBeEncoded) {
  Tokenizer tokenizer = open(sound());
  EXPECT_TRUE(refuses([&] { tokenizer.encode("ab\xFF"); }, {"tokenizer.json", "byte 2", "UTF-8"}));
  json file = sound();
  file["model"]["unk_token"] = "<unk>";
  Tokenizer unknown = open(file);
  EXPECT_TRUE(refuses([&] { unknown.encode("abc"); }, {"tokenizer.json", "\"c\"", "<unk>"}));
}

}  // namespace
}  // namespace logitfield::io
