#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace logitfield::io {

/// What a name of "tokenizer.ggml.pre" stands for, in the terms of tokenizer.json.
struct PreTokenization {
  nlohmann::json normalizer, pre_tokenizer;
  /// A piece that is a token is not merged anew.
  bool ignore_merges = false;
  /// Whether the token in front is added where the file does not say.
  bool adds_bos = false;
};

/// Throws InputError naming `origin`, the name and the known ones if it is none of these.
PreTokenization pre_tokenization_named(const std::string& name, const std::string& origin);

}  // namespace logitfield::io
