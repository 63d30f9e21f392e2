#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

namespace logitfield::io {

/// Returns what gzip or zstd compressed, told by its first bytes; other content comes back as it is. Throws InputError
/// naming `file` for damaged data, for data that does not end, and as soon as there are more than `limit` bytes.
std::string decompressed(std::string content, const std::string& file, std::size_t limit);

/// The name of a file without the extension that gzip or zstd give it (.gz, .zst).
std::filesystem::path name_before_compression(const std::filesystem::path& path);

}  // namespace logitfield::io
