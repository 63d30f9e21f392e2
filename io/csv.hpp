#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace logitfield::io {

/// Returns a number's cell: the shortest text that reads back as the same number; empty for NaN.
std::string csv_cell(double value);

/// Writes a comma-separated table (RFC 4180 quoting) atomically: the header, then `row(i)` for i in [0, num_rows). A
/// text that a spreadsheet would take for a formula gets a leading apostrophe. Throws InputError if the file cannot be
/// written.
void write_csv(const std::filesystem::path& path, const std::vector<std::string>& columns, std::size_t num_rows,
               const std::function<std::vector<std::string>(std::size_t)>& row);

}  // namespace logitfield::io
