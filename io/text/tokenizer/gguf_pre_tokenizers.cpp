#include "io/text/tokenizer/gguf_pre_tokenizers.hpp"

#include <fmt/ranges.h>

#include <map>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

// Regular expressions as the tokenizers of these models write them.
constexpr const char* kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kO200kWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekkenWords = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                                     R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                                     R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt2Words = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepSeekV3Words =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kBloomWords = R"( ?[^(\s|[.,!?…。，、।۔،])]+)";

json byte_level(bool splits) { return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", splits}}; }

json digits(bool each) { return {{"type", "Digits"}, {"individual_digits", each}}; }

json isolated(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

json in_turn(const json& steps) { return {{"type", "Sequence"}, {"pretokenizers", steps}}; }

/// Cuts a text by one expression, the pieces by the next, and so on.
json words(std::initializer_list<const char*> regexes) {
  json steps = json::array();
  for (const char* regex : regexes) steps.push_back(isolated(regex));
  steps.push_back(byte_level(false));
  return in_turn(steps);
}

json words(const char* regex) { return words({regex}); }

using Names = std::map<std::string, PreTokenization>;

/// Names whose models' tokenizers are known.
Names models_pre_tokenizations() {
  const json composed = {{"type", "NFC"}};
  const PreTokenization gpt2{nullptr, byte_level(true)}, neox{composed, byte_level(true)};
  const PreTokenization starcoder{nullptr, in_turn({digits(true), byte_level(true)})};
  const PreTokenization llama3{nullptr, words(kLlama3Words), true, true};
  const PreTokenization falcon{nullptr, in_turn({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                                                 byte_level(true),
                                                 digits(false),
                                                 isolated("[0-9][0-9][0-9]")})};
  return {{"bloom", {nullptr, words(kBloomWords)}},
          {"dbrx", {nullptr, words(kLlama3Words)}},
          {"deepseek-v3", {nullptr, words({R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+", kDeepSeekV3Words})}},
          {"falcon", falcon},
          {"gpt-2", gpt2},
          {"gpt-4o", {nullptr, words(kO200kWords)}},
          {"llama-bpe", llama3},
          {"llama-v3", llama3},
          {"llama3", llama3},
          {"mpt", neox},
          {"olmo", neox},
          {"phi-2", gpt2},
          {"qwen2", {composed, words(kQwen2Words)}},
          {"refact", starcoder},
          {"smollm", starcoder},
          {"starcoder", starcoder},
          {"tekken", {nullptr, words(kTekkenWords), true}}};
}

/// Names that llama.cpp reads with an expression of the above. It applies no normaliser. "default" is that of older
/// files.
Names further_pre_tokenizations() {
  const PreTokenization gpt2{nullptr, byte_level(true)}, qwen2{nullptr, words(kQwen2Words)};
  const PreTokenization llama3{nullptr, words(kLlama3Words), true, true}, smaug{nullptr, words(kLlama3Words)};
  const PreTokenization by_digit{nullptr, in_turn({digits(true), byte_level(true)})};
  return {{"a.x-4.0", gpt2},
          {"chatglm-bpe", smaug},
          {"command-r", by_digit},
          {"deepseek-r1-qwen", qwen2},
          {"default", {nullptr, words({R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Words, R"(\p{N}+)", "[0-9][0-9][0-9]"})}},
          {"exaone4", gpt2},
          {"falcon3", llama3},
          {"gigachat", gpt2},
          {"glm4", {nullptr, words(kLlama3Words), true}},
          {"granite-docling", gpt2},
          {"megrez", qwen2},
          {"mellum", gpt2},
          {"midm-2.0", llama3},
          {"minerva-7b", by_digit},
          {"pixtral", llama3},
          {"poro-chat", {nullptr, words(kBloomWords)}},
          {"smaug-bpe", smaug},
          {"stablelm2", qwen2},
          {"trillion", gpt2}};
}

Names all_pre_tokenizations() {
  Names all = models_pre_tokenizations();
  all.merge(further_pre_tokenizations());
  return all;
}

}  // namespace

PreTokenization pre_tokenization_named(const std::string& name, const std::string& origin) {
  static const Names all = all_pre_tokenizations();
  const auto found = all.find(name);
  if (found != all.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [other, value] : all) known.push_back(other);
  throw InputError("{}: \"tokenizer.ggml.pre\" is {}, which is none of {}; {}", origin, excerpt(name),
                   fmt::join(known, ", "), kTokenizerRemedy);
}

}  // namespace logitfield::io
