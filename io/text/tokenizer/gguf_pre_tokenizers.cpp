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
constexpr const char* kBloomWords = R"( ?[^(\s|[.,!?…。，、।۔،])]+)";

json byte_level(bool splits) { return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", splits}}; }

json digits(bool each) { return {{"type", "Digits"}, {"individual_digits", each}}; }

json isolated(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

json in_turn(const json& steps) { return {{"type", "Sequence"}, {"pretokenizers", steps}}; }

json words(const char* regex) { return in_turn({isolated(regex), byte_level(false)}); }

std::map<std::string, PreTokenization> all_pre_tokenizations() {
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

}  // namespace

PreTokenization pre_tokenization_named(const std::string& name, const std::string& origin) {
  static const std::map<std::string, PreTokenization> all = all_pre_tokenizations();
  const auto found = all.find(name);
  if (found != all.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [other, value] : all) known.push_back(other);
  throw InputError("{}: \"tokenizer.ggml.pre\" is {}, which is none of {}; {}", origin, excerpt(name),
                   fmt::join(known, ", "), kTokenizerRemedy);
}

}  // namespace logitfield::io
