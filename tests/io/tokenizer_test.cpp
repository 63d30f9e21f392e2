// Ids are compared with those of the library `tokenizers`, recorded by tests/development/make_tokenizer_fixtures.py.
#include "io/text/tokenizer/tokenizer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "io/json.hpp"
#include "tests/io/ids_hash.hpp"
#include "tests/io/nasty_corpus.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::NastyCorpus;
using Ids = std::vector<std::int32_t>;

const std::filesystem::path kFolder = TOKENIZERS;

const NastyCorpus& corpus() {
  static const NastyCorpus corpus(kFolder / "corpus.json");
  return corpus;
}

std::vector<std::string> names() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.is_directory()) names.insert(entry.path().filename().string());
  }
  return {names.begin(), names.end()};
}

class TokenizerIds : public ::testing::TestWithParam<std::string> {
 protected:
  Tokenizer tokenizer{kFolder / GetParam()};
  nlohmann::json expected = read_json(kFolder / GetParam() / "expected.json");
};

TEST_P(TokenizerIds, OfSamplesAreTheRecordedOnes) {
  const auto& samples = expected.at("samples");
  ASSERT_GT(samples.size(), 10u);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(corpus().samples().at(i)), samples[i].get<Ids>()) << corpus().samples()[i];
  }
}

TEST_P(TokenizerIds, OfAMegabyteHashAsTheRecordedOnes) {
  const auto& chunks = expected.at("chunks");
  ASSERT_EQ(chunks.size(), 100u);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Ids ids = tokenizer.encode(corpus().chunk(i));
    EXPECT_EQ(ids.size(), chunks[i][0].get<std::size_t>()) << "chunk " << i;
    EXPECT_EQ(testing::ids_hash(ids), chunks[i][1].get<std::string>()) << "chunk " << i;
  }
}

TEST_P(TokenizerIds, AreTheSameAgain) {
  const std::string text = corpus().chunk(0);
  const Ids once = tokenizer.encode(text);
  EXPECT_EQ(tokenizer.encode(text), once) << "the words are remembered now";
  EXPECT_EQ(Tokenizer(kFolder / GetParam()).encode(text), once);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerIds, ::testing::ValuesIn(names()),
                         [](const auto& instance) { return instance.param; });

TEST(Tokenizer, OfNothingThereAreNoIds) { EXPECT_TRUE(Tokenizer(kFolder / "gpt2").encode("").empty()); }

/// A million spaces, letters or marks, which some step treats as one word, take at most a second, not hours.
TEST(Tokenizer, LongRunsTakeLinearTime) {
  for (const char* name : {"gpt2", "llama3", "deepseek_llm", "llama2", "gemma"}) {
    Tokenizer tokenizer(kFolder / name);
    for (const char* unit : {" ", "a", "\n", "1", " \n"}) {
      std::string text;
      while (text.size() < 1'000'000) text += unit;
      EXPECT_GT(tokenizer.encode(text + "x").size(), 1000u);
    }
  }
}

TEST(Tokenizer, TheTokenInFrontIsThePostProcessors) {
  for (const auto& [name, id] : {std::pair("llama2", 1), std::pair("opt", 1000), std::pair("llama3", 1000)}) {
    const Tokenizer tokenizer(kFolder / name);
    EXPECT_TRUE(tokenizer.adds_bos()) << name;
    EXPECT_EQ(tokenizer.bos(), id) << name;
  }
  const Tokenizer without(kFolder / "gpt2");
  EXPECT_FALSE(without.adds_bos());
  EXPECT_FALSE(without.bos());
}

/// A tokenizer with other files in its folder.
class TokenizerNeighbours : public ::testing::Test {
 protected:
  void copy(const char* name) { std::filesystem::copy(kFolder / name / "tokenizer.json", folder.path()); }
  Tokenizer tokenizer() const { return Tokenizer(folder.path()); }

  testing::TemporaryFolder folder;
};

TEST_F(TokenizerNeighbours, TheConfigurationOverrulesThePostProcessor) {
  copy("llama2");
  folder.write("tokenizer_config.json", R"({"add_bos_token": false, "bos_token": "</s>"})");
  EXPECT_FALSE(tokenizer().adds_bos());
  EXPECT_EQ(tokenizer().bos(), 1) << "the post-processor knows which";
}

TEST_F(TokenizerNeighbours, TheConfigurationNamesTheTokenInFront) {
  copy("gpt2");
  folder.write("config.json", R"({"bos_token_id": 7})");
  EXPECT_EQ(tokenizer().bos(), 7);
  EXPECT_FALSE(tokenizer().adds_bos());
  folder.write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": null})");
  EXPECT_TRUE(tokenizer().adds_bos());
  EXPECT_EQ(tokenizer().bos(), 7);
  folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<|endoftext|>"}})");
  EXPECT_EQ(tokenizer().bos(), tokenizer().encode("<|endoftext|>").at(0));
  folder.write("tokenizer_config.json", R"({"bos_token": "<nowhere>"})");
  EXPECT_TRUE(testing::refuses([&] { tokenizer(); }, {"tokenizer_config.json", "bos_token", "<nowhere>", "correct"}));
}

}  // namespace
}  // namespace logitfield::io
