// Compares tokenizers of GGUF files with the equivalent tokenizer.json.
#include <gtest/gtest.h>

#include <cmath>

#include "io/json.hpp"
#include "io/text/tokenizer/score_merges.hpp"
#include "io/text/tokenizer/tokenizer.hpp"
#include "tests/io/gguf_builder.hpp"
#include "tests/io/ids_hash.hpp"
#include "tests/io/nasty_corpus.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::GgufBuilder;
using testing::refuses;
using testing::TemporaryFolder;

const std::filesystem::path kTokenizers = TOKENIZERS;
constexpr std::int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUser = 4;

/// The lists of a tokenizer.json, as a GGUF file has them.
struct TokenLists {
  std::vector<std::string> tokens, merges;
  std::vector<std::int32_t> types;

  explicit TokenLists(const nlohmann::json& file) {
    for (const auto& [token, id] : file.at("model").at("vocab").items()) put(id.get<std::size_t>(), token, kNormal);
    for (const auto& added : file.at("added_tokens")) {
      const auto content = added.at("content").get<std::string>();
      const std::int32_t special = content == "<unk>" ? kUnknown : kControl;  // as converters write them
      put(added.at("id").get<std::size_t>(), content, added.at("special").get<bool>() ? special : kUser);
    }
    for (const auto& merge : file.at("model").at("merges")) {
      merges.push_back(merge.is_array() ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                        : merge.get<std::string>());
    }
  }

  GgufBuilder builder(const char* kind) const {
    GgufBuilder out;
    out.set("general.architecture", "llama").set("tokenizer.ggml.model", kind);
    out.set("tokenizer.ggml.tokens", tokens).set("tokenizer.ggml.token_type", types);
    return out;
  }

 private:
  void put(std::size_t id, const std::string& token, std::int32_t type) {
    if (id >= tokens.size()) tokens.resize(id + 1), types.resize(id + 1, kNormal);
    tokens[id] = token;
    types[id] = type;
  }
};

/// Whether both give the same ids for 300 kB of hard text.
void expect_same_ids(Tokenizer& ours, Tokenizer& theirs) {
  const testing::NastyCorpus corpus(kTokenizers / "corpus.json");
  for (std::size_t chunk = 0; chunk < 30; ++chunk) {
    const std::string text = corpus.chunk(chunk);
    EXPECT_EQ(ours.encode(text), theirs.encode(text)) << "chunk " << chunk;
  }
}

struct NamedPre {
  const char *folder, *pre;
};

class GgufPreTokenizers : public ::testing::TestWithParam<NamedPre> {};

TEST_P(GgufPreTokenizers, GiveTheIdsOfTheirTokenizerFile) {
  const TemporaryFolder folder;
  const TokenLists lists(read_json(kTokenizers / GetParam().folder / "tokenizer.json"));
  GgufBuilder builder = lists.builder("gpt2");
  builder.set("tokenizer.ggml.merges", lists.merges).set("tokenizer.ggml.pre", GetParam().pre);
  Tokenizer ours(folder.write("x.gguf", builder.build())), theirs(kTokenizers / GetParam().folder);
  expect_same_ids(ours, theirs);
}

INSTANTIATE_TEST_SUITE_P(All, GgufPreTokenizers,
                         ::testing::Values(NamedPre{"bloom", "bloom"}, NamedPre{"deepseek_v3", "deepseek-v3"},
                                           NamedPre{"falcon", "falcon"}, NamedPre{"gpt2", "gpt-2"},
                                           NamedPre{"llama3", "llama-bpe"}, NamedPre{"neox", "olmo"},
                                           NamedPre{"o200k", "gpt-4o"}, NamedPre{"qwen2", "qwen2"},
                                           NamedPre{"starcoder", "smollm"}),
                         [](const auto& instance) { return instance.param.folder; });

nlohmann::json llama_cpp_ids() { return read_json(GGUF_RECORDS "/llama_cpp_ids.json"); }

/// Names without a tokenizer.json of their own: tests/development/make_gguf_ids.py records what llama.cpp gives.
class GgufPreTokenizersOfLlamaCpp : public ::testing::TestWithParam<std::string> {};

TEST_P(GgufPreTokenizersOfLlamaCpp, GiveItsIds) {
  const TemporaryFolder folder;
  const nlohmann::json record = llama_cpp_ids().at(GetParam());
  const TokenLists lists(read_json(kTokenizers / record.at("tokenizer").get<std::string>() / "tokenizer.json"));
  GgufBuilder builder = lists.builder("gpt2");
  builder.set("tokenizer.ggml.merges", lists.merges);
  // Older files do not have the key; "default" is meant then.
  if (GetParam() != "default") builder.set("tokenizer.ggml.pre", GetParam().c_str());
  Tokenizer tokenizer(folder.write("x.gguf", builder.build()));
  const testing::NastyCorpus corpus(kTokenizers / "corpus.json");
  const auto& chunks = record.at("chunks");
  ASSERT_EQ(chunks.size(), 30U);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const auto ids = tokenizer.encode(corpus.chunk(i));
    EXPECT_EQ(ids.size(), chunks[i][0].get<std::size_t>()) << "chunk " << i;
    EXPECT_EQ(testing::ids_hash(ids), chunks[i][1].get<std::string>()) << "chunk " << i;
  }
}

std::vector<std::string> names_of_llama_cpp() {
  std::vector<std::string> out;
  const nlohmann::json all = llama_cpp_ids();
  for (const auto& [name, record] : all.items()) out.push_back(name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(All, GgufPreTokenizersOfLlamaCpp, ::testing::ValuesIn(names_of_llama_cpp()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

TEST(GgufTokenizer, OfSentencePieceGivesTheIdsOfItsTokenizerFile) {
  const TemporaryFolder folder;
  const TokenLists lists(read_json(kTokenizers / "llama2" / "tokenizer.json"));
  GgufBuilder builder = lists.builder("llama");
  builder.set("tokenizer.ggml.merges", lists.merges).set("tokenizer.ggml.unknown_token_id", 0U);
  builder.set("tokenizer.ggml.bos_token_id", 1U);
  Tokenizer ours(folder.write("x.gguf", builder.build())), theirs(kTokenizers / "llama2");
  expect_same_ids(ours, theirs);
  EXPECT_EQ(ours.bos(), 1);
  EXPECT_TRUE(ours.adds_bos()) << "where the file does not say";
}

TEST(GgufTokenizer, TakesTheTokenInFrontFromItsFileOnly) {
  const TemporaryFolder folder;
  folder.write("config.json", R"({"bos_token_id": 7})");
  const TokenLists lists(read_json(kTokenizers / "gpt2" / "tokenizer.json"));
  GgufBuilder builder = lists.builder("gpt2");
  builder.set("tokenizer.ggml.merges", lists.merges).set("tokenizer.ggml.pre", "gpt-2");
  EXPECT_FALSE(Tokenizer(folder.write("x.gguf", builder.build())).bos());
  builder.set("tokenizer.ggml.bos_token_id", 3U);
  const Tokenizer with(folder.write("x.gguf", builder.build()));
  EXPECT_EQ(with.bos(), 3);
  EXPECT_FALSE(with.adds_bos());
  builder.set("tokenizer.ggml.add_bos_token", true);
  EXPECT_TRUE(Tokenizer(folder.write("x.gguf", builder.build())).adds_bos());
}

TEST(GgufTokenizer, MergesByScoreAreThoseOfTheBestTokensFirst) {
  const std::vector<std::string> tokens = {"a", "b", "ab", "aba", "ba", "\u00e9a", "\u00e9"};
  const std::vector<double> scores = {0, 0, -2, -1, -2, -3, 0};
  EXPECT_EQ(merges_by_score(tokens, scores, "x.gguf").dump(),
            R"([["ab","a"],["a","ba"],["a","b"],["b","a"],["é","a"]])");
}

// Each token can be cut in as many ways as it has characters.
TEST(GgufTokenizer, RefusesVocabulariesOfTooManyMerges) {
  std::vector<std::string> tokens;
  for (std::size_t length = 1; length <= 1000; ++length) tokens.emplace_back(length, 'a');
  const std::vector<double> scores(tokens.size(), 0);
  EXPECT_TRUE(refuses([&] { merges_by_score(tokens, scores, "x.gguf"); }, {"x.gguf", "ways", "another tokenizer"}));
}

TEST(GgufTokenizer, RefusesWhatItDoesNotKnow) {
  const TemporaryFolder folder;
  const auto refused = [&](const GgufBuilder& builder, std::vector<std::string_view> parts) {
    parts.push_back("x.gguf");
    return refuses([&] { Tokenizer{folder.write("x.gguf", builder.build())}; }, parts);
  };
  const std::vector<std::string> tokens = {"a", "b"}, merges = {};
  const auto builder = [&](const char* kind) {
    return GgufBuilder()
        .set("general.architecture", "llama")
        .set("tokenizer.ggml.model", kind)
        .set("tokenizer.ggml.tokens", tokens);
  };
  EXPECT_TRUE(refused(GgufBuilder(), {"tokenizer.ggml.tokens", "missing"}));
  EXPECT_TRUE(refused(builder("t5"), {"tokenizer.ggml.model", "\"t5\""}));
  EXPECT_TRUE(refused(builder("gpt2").set("tokenizer.ggml.pre", "kimi-k2"),
                      {"tokenizer.ggml.pre", "\"kimi-k2\"", "llama-bpe"}));
  EXPECT_TRUE(refused(builder("gpt2").set("tokenizer.ggml.pre", "gpt-2"), {"tokenizer.ggml.merges", "missing"}));
  EXPECT_TRUE(refused(builder("llama"), {"tokenizer.ggml.scores", "missing"}));
  EXPECT_TRUE(refused(builder("llama").set("tokenizer.ggml.scores", std::vector<float>{0, NAN}),
                      {"tokenizer.ggml.scores", "2 values"}));
  EXPECT_TRUE(refused(builder("llama").set("tokenizer.ggml.scores", std::vector<float>{0}), {"1 values for 2 tokens"}));
  EXPECT_TRUE(refused(
      builder("llama").set("tokenizer.ggml.scores", std::vector<float>{0, 0}).set("tokenizer.ggml.bos_token_id", 2U),
      {"bos_token_id", "is 2", "2 tokens"}));
  EXPECT_TRUE(refused(
      GgufBuilder().set("tokenizer.ggml.model", "llama").set("tokenizer.ggml.tokens", std::vector<std::string>{"\xff"}),
      {"token 0", "UTF-8"}));
}

}  // namespace
}  // namespace logitfield::io
