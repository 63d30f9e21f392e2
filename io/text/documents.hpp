#pragma once
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

/// Reads a text file of at most 1 GiB. Throws InputError naming the file and the line, element or byte for invalid
/// UTF-8, an empty document, no documents, and for compressed files and archives. Formats:
/// - `.jsonl` and `.ndjson`: one document per line, an object with "text". A "name" or an "id" names it, unless it is
/// no
///   name (an address, a path, an object): then it is FILE-LINE;
/// - `.json`: a list of strings;
/// - any other: one document, named after the file without its extension.
std::vector<Document> read_documents(const std::filesystem::path& path);

}  // namespace logitfield::io
