#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace logitfield::io {

/// One text to be tokenised.
struct Document {
  std::string name;
  /// Valid UTF-8, byte for byte as in the file: a byte order mark and CR LF are kept.
  std::string text;
  /// The file, and the line or element in it, for messages.
  std::string place;
};

/// The most bytes of a file of texts, decompressed.
inline constexpr std::size_t kLargestTexts = std::size_t{1} << 30;

/// Reads a text file of at most `limit` bytes. It may be compressed by gzip or zstd; the ending `.gz` or `.zst` does
/// not count as part of its name. Throws InputError naming the file and the line, element or byte for invalid UTF-8, an
/// empty document, or no documents. Also throws for more than `limit` bytes once decompressed, and for other compressed
/// files and archives. Formats:
/// - `.jsonl` and `.ndjson`: one document per line, an object with "text". Its "name" or "id" names it. If that is an
///   address, a path or an object, the name is FILE-LINE;
/// - `.json`: a list of strings;
/// - any other: one document, named after the file without its extension.
std::vector<Document> read_documents(const std::filesystem::path& path, std::size_t limit = kLargestTexts);

}  // namespace logitfield::io
