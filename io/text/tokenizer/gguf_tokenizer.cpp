// Writes the tokenizer of a GGUF file as the tokenizer.json from which it was made.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "io/error.hpp"
#include "io/gguf/gguf_model.hpp"
#include "io/hash.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/gguf_pre_tokenizers.hpp"
#include "io/text/tokenizer/score_merges.hpp"
#include "io/text/tokenizer/section.hpp"
#include "io/text/tokenizer/tokenizer_file.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

/// Finding the merges of a longer token would take too long.
constexpr std::size_t kLongestToken = 4096;
/// Numbers of "tokenizer.ggml.token_type".
constexpr std::int64_t kUnknownToken = 2, kControlToken = 3, kUserToken = 4;
/// SentencePiece's character for a space.
constexpr const char* kSpaceMark = "\u2581";

/// The keys tokenizer.ggml.* of a model.
class TokenizerKeys {
 public:
  explicit TokenizerKeys(const GgufModel& model)
      : metadata_(model.metadata()), origin_(model.path().string()), tokens_(read_tokens()) {}

  const std::string& origin() const { return origin_; }
  const std::vector<std::string>& tokens() const { return tokens_; }
  bool has(const std::string& key) const { return metadata_.contains(full(key)); }
  const json& list(const std::string& key) const {
    const auto found = metadata_.find(full(key));
    if (found == metadata_.end() || !found->is_array()) {
      throw InputError("{}: \"{}\" is missing or not a list; {}", origin_, full(key), kTokenizerRemedy);
    }
    return *found;
  }
  std::string text(const std::string& key) const {
    return required<std::string>(metadata_, full(key).c_str(), origin_);
  }
  bool flag_or(const std::string& key, bool fallback) const {
    return optional_or(metadata_, full(key).c_str(), fallback, origin_);
  }
  /// Returns the id at a key such as "bos_token_id"; nothing if there is none.
  std::optional<std::size_t> token_id(const std::string& key) const {
    if (!has(key)) return std::nullopt;
    const auto id = required<std::int64_t>(metadata_, full(key).c_str(), origin_);
    if (id >= 0 && id < std::ssize(tokens_)) return static_cast<std::size_t>(id);
    throw InputError("{}: \"{}\" is {}, but there are {} tokens; {}", origin_, full(key), id, tokens_.size(),
                     kTokenizerRemedy);
  }
  /// A number for each token.
  std::vector<double> numbers(const std::string& key) const {
    const json& values = list(key);
    const auto is_finite = [](const json& value) { return value.is_number() && std::isfinite(value.get<double>()); };
    if (values.size() != tokens_.size() || !std::ranges::all_of(values, is_finite)) {
      throw InputError("{}: \"{}\" has {} values for {} tokens, or one that is not finite; {}", origin_, full(key),
                       values.size(), tokens_.size(), kTokenizerRemedy);
    }
    return values.get<std::vector<double>>();
  }

 private:
  static std::string full(const std::string& key) { return "tokenizer.ggml." + key; }

  std::vector<std::string> read_tokens() const {
    std::vector<std::string> out;
    for (const json& value : list("tokens")) {
      const auto* token = value.get_ptr<const std::string*>();
      if (!token || token->size() > kLongestToken || first_invalid_utf8(*token)) {
        throw InputError("{}: token {} is {}, not valid UTF-8 of at most {} bytes; {}", origin_, out.size(),
                         excerpt(value), kLongestToken, kTokenizerRemedy);
      }
      out.push_back(*token);
    }
    return out;
  }

  const json& metadata_;
  std::string origin_;
  std::vector<std::string> tokens_;
};

json vocabulary_of(const std::vector<std::string>& tokens) {
  json out = json::object();
  for (std::size_t id = 0; id < tokens.size(); ++id) out[tokens[id]] = id;
  return out;
}

bool is_only_spaces(const std::string& text) { return !text.empty() && text.find_first_not_of(' ') == text.npos; }

/// Returns the tokens that are found in a text before it is cut: the unknown token, control tokens and user-defined
/// tokens.
json added_tokens(const TokenizerKeys& keys, const std::vector<std::string>& vocabulary) {
  json out = json::array();
  if (!keys.has("token_type")) return out;
  const std::vector<double> kinds = keys.numbers("token_type");
  for (std::size_t id = 0; id < kinds.size(); ++id) {
    const std::string& token = keys.tokens()[id];
    const bool is_special = kinds[id] == kUnknownToken || kinds[id] == kControlToken;
    if ((!is_special && kinds[id] != kUserToken) || token.empty() || vocabulary[id] != token) continue;
    out.push_back({{"id", id},
                   {"content", token},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", false},
                   {"special", is_special}});
  }
  return out;
}

/// Returns a tokenizer with bytes as visible characters, and words by the named pre-tokenizer.
json byte_level_tokenizer(const TokenizerKeys& keys, const PreTokenization& pre) {
  return {{"added_tokens", added_tokens(keys, keys.tokens())},
          {"normalizer", pre.normalizer},
          {"pre_tokenizer", pre.pre_tokenizer},
          {"model",
           {{"type", "BPE"},
            {"vocab", vocabulary_of(keys.tokens())},
            {"merges", keys.list("merges")},
            {"ignore_merges", pre.ignore_merges}}}};
}

/// Gemma's files write tokens of spaces as spaces, and its ranks are the order of the tokens, not their scores.
json sentencepiece_tokenizer(const TokenizerKeys& keys, bool is_gemma) {
  std::vector<std::string> tokens = keys.tokens();
  std::vector<double> scores;
  if (is_gemma) {
    for (std::string& token : tokens) {
      scores.push_back(-static_cast<double>(scores.size()));
      if (token.size() < 2 || !is_only_spaces(token)) continue;
      const std::size_t count = token.size();
      token.clear();
      for (std::size_t i = 0; i < count; ++i) token += kSpaceMark;
    }
  }
  if (!keys.has("merges") && !is_gemma) scores = keys.numbers("scores");
  json steps = json::array();
  if (keys.flag_or("add_space_prefix", true)) steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}});
  json model = {{"type", "BPE"},
                {"vocab", vocabulary_of(tokens)},
                {"merges", keys.has("merges") ? keys.list("merges") : merges_by_score(tokens, scores, keys.origin())},
                {"byte_fallback", true},
                {"fuse_unk", true}};
  if (const auto unknown = keys.token_id("unknown_token_id")) model["unk_token"] = tokens[*unknown];
  return {{"added_tokens", added_tokens(keys, tokens)},
          {"normalizer", {{"type", "Sequence"}, {"normalizers", steps}}},
          {"model", model}};
}

}  // namespace

TokenizerFile read_gguf_tokenizer(const std::filesystem::path& gguf) {
  const GgufModel model(gguf);
  const TokenizerKeys keys(model);
  const std::string kind = keys.text("model");
  TokenizerFile out;
  out.path = gguf;
  bool adds_bos = true;
  if (kind == "gpt2") {
    const PreTokenization pre = pre_tokenization_named(keys.has("pre") ? keys.text("pre") : "default", keys.origin());
    adds_bos = pre.adds_bos;
    out.content = byte_level_tokenizer(keys, pre);
  } else if (kind == "llama") {
    out.content = sentencepiece_tokenizer(keys, model.architecture().starts_with("gemma"));
  } else {
    throw InputError("{}: \"tokenizer.ggml.model\" is {}, which is not implemented, only gpt2 and llama are; {}",
                     keys.origin(), excerpt(kind), kTokenizerRemedy);
  }
  const std::string written = out.content.dump(-1, ' ', false, json::error_handler_t::replace);
  out.hash = hash_bytes(std::as_bytes(std::span(written)));
  out.tokenizer_config["add_bos_token"] = keys.flag_or("add_bos_token", adds_bos);
  if (const auto bos = keys.token_id("bos_token_id")) out.config["bos_token_id"] = *bos;
  return out;
}

}  // namespace logitfield::io
