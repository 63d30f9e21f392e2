#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/integers.hpp"

namespace logitfield::io {

/// One text in the form of token ids.
struct TokenText {
  /// The file's name without its extension, or the document's own.
  std::string name;
  std::vector<std::int32_t> tokens;
  /// XXH3 of the text in UTF-8, if this program tokenised it.
  std::optional<std::uint64_t> text_hash = {};
};

/// Reads a token file: .npy (integers, one text), .json (a list of integers, or an object with "input_ids"), or .bin
/// (nothing but integers of kind `raw`). Throws InputError naming the file, position and value for another extension,
/// several texts, an empty list, an element that is not an integer, or an id outside 0 ... vocab_size - 1.
TokenText read_tokens(const std::filesystem::path& path, std::int64_t vocab_size,
                      std::optional<IntegerKind> raw = std::nullopt);

}  // namespace logitfield::io
