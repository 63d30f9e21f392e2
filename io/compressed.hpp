#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

namespace logitfield::io {

/// Decompresses content of gzip or zstd, which its first bytes identify; returns other content unchanged. Throws
/// InputError naming `file` for damaged or truncated data, and as soon as there are more than `limit` bytes.
std::string decompressed(std::string content, const std::string& file, std::size_t limit);

/// Returns the name of a file without the extension of gzip or zstd (.gz, .zst).
std::filesystem::path name_before_compression(const std::filesystem::path& path);

}  // namespace logitfield::io
