#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace logitfield::io {

/// The meaning of a name of "tokenizer.ggml.pre", in the terms of tokenizer.json.
struct PreTokenization {
  nlohmann::json normalizer, pre_tokenizer;
  /// Whether a piece that is a token stays whole, without merging.
  bool ignore_merges = false;
  /// Whether the beginning-of-text token is added if the file does not say.
  bool adds_bos = false;
};

/// Returns the meaning of a name. Throws InputError naming `origin`, the name and all known names if it is unknown.
PreTokenization pre_tokenization_named(const std::string& name, const std::string& origin);

}  // namespace logitfield::io
