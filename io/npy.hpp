#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace logitfield::io {

/// Reads a one-dimensional array of integers (or one with a single row) in NumPy's .npy format (versions 1 to 3,
/// little-endian, either order). Throws InputError naming the file for anything else, and for a file longer or shorter
/// than its header says.
std::vector<std::int64_t> read_npy_integers(const std::filesystem::path& path);

/// Writes a one-dimensional array of int32, so that a reader sees all of it or none. Throws InputError naming the file.
void write_npy_integers(const std::filesystem::path& path, std::span<const std::int32_t> values);

}  // namespace logitfield::io
