#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace logitfield::io {

/// What describes a model's tokenizer.
struct TokenizerFile {
  /// tokenizer.json, or the GGUF file.
  std::filesystem::path path;
  /// The content of tokenizer.json, or what it would be.
  nlohmann::json content;
  /// XXH3 of it.
  std::uint64_t hash = 0;
  /// Where the token before a text is named; empty objects if there are no such files.
  nlohmann::json tokenizer_config = nlohmann::json::object(), config = nlohmann::json::object();
};

/// Reads tokenizer.json of a folder, and tokenizer_config.json and config.json where they exist. Throws InputError
/// naming the file if tokenizer.json is missing, or one of them is malformed.
TokenizerFile read_tokenizer_folder(const std::filesystem::path& folder);

/// Makes the same of the metadata of a GGUF file. Throws InputError naming file, key and value for another kind of
/// tokenizer than gpt2 and llama, for pre-tokenizers that are not known, and for lists that contradict each other.
TokenizerFile read_gguf_tokenizer(const std::filesystem::path& gguf);

}  // namespace logitfield::io
