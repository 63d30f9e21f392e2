#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace logitfield::io {

/// The description of a model's tokenizer.
struct TokenizerFile {
  /// The path of tokenizer.json, or of the GGUF file.
  std::filesystem::path path;
  /// The content of tokenizer.json, or an equivalent made from the GGUF file.
  nlohmann::json content;
  /// XXH3 of the content.
  std::uint64_t hash = 0;
  /// The files that name the token before a text; empty objects if they do not exist.
  nlohmann::json tokenizer_config = nlohmann::json::object(), config = nlohmann::json::object();
};

/// Reads tokenizer.json of a folder, and tokenizer_config.json and config.json if they exist. Throws InputError naming
/// the file if tokenizer.json is missing, or a file is malformed.
TokenizerFile read_tokenizer_folder(const std::filesystem::path& folder);

/// Makes the description from the metadata of a GGUF file. Throws InputError naming file, key and value for tokenizers
/// other than gpt2 and llama, for unknown pre-tokenizers, and for lists that contradict each other.
TokenizerFile read_gguf_tokenizer(const std::filesystem::path& gguf);

}  // namespace logitfield::io
