#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace logitfield::io {

/// One text as token ids.
struct TokenText {
  /// The file's name without its extension, or the document's own.
  std::string name;
  std::vector<std::int32_t> tokens;
  /// XXH3 of the text in UTF-8, where this program tokenised it.
  std::optional<std::uint64_t> text_hash = {};
};

/// Reads a token file: .npy (int32 or int64, one dimension) or .json (a list of integers). Throws InputError naming the
/// file, position and value for another extension, an empty list, an element that is no integer, or an id outside 0 ...
/// vocab_size - 1.
TokenText read_tokens(const std::filesystem::path& path, std::int64_t vocab_size);

}  // namespace logitfield::io
