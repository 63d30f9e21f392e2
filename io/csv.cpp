#include "io/csv.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "io/file.hpp"

namespace logitfield::io {
namespace {

bool is_number(const std::string& field) {
  double value;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error != std::errc::invalid_argument && end == field.data() + field.size();
}

/// Tells whether a spreadsheet would take the cell for a formula; an apostrophe makes it text.
bool looks_like_formula(const std::string& field) {
  return !field.empty() && std::string_view("=+-@\t\r").find(field.front()) != std::string_view::npos &&
         !is_number(field);
}

std::string quoted(const std::string& field) {
  if (looks_like_formula(field)) return quoted("'" + field);
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) text.append(c == '"' ? 2 : 1, c);
  return text + '"';
}

std::string line(const std::vector<std::string>& fields) {
  std::string text;
  for (const auto& field : fields) text += quoted(field) + ',';
  text.back() = '\n';
  return text;
}

}  // namespace

std::string csv_cell(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }

void write_csv(const std::filesystem::path& path, const std::vector<std::string>& columns, std::size_t num_rows,
               const std::function<std::vector<std::string>(std::size_t)>& row) {
  constexpr std::size_t kBufferSize = 1 << 20;
  write_atomically(path, [&](const std::filesystem::path& temporary) {
    OutputFile file(temporary, true);
    if (columns.empty()) throw std::invalid_argument("write_csv: no columns");
    std::string buffer = line(columns);
    const auto flush = [&] {
      file.write(std::as_bytes(std::span(buffer)));
      buffer.clear();
    };
    for (std::size_t i = 0; i < num_rows; ++i) {
      const auto fields = row(i);
      if (fields.size() != columns.size()) throw std::invalid_argument("write_csv: a row has the wrong length");
      buffer += line(fields);
      if (buffer.size() >= kBufferSize) flush();
    }
    flush();
  });
}

}  // namespace logitfield::io
