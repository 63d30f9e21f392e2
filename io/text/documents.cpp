#include "io/text/documents.hpp"

#include <algorithm>

#include "io/compressed.hpp"
#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

void check_utf8(const std::string& content, const std::string& file) {
  const auto invalid = first_invalid_utf8(content);
  if (!invalid) return;
  const auto line = 1 + std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(*invalid), '\n');
  throw InputError("{}: byte {} (0x{:02X}, in line {}) is not valid UTF-8; convert the file to UTF-8", file, *invalid,
                   static_cast<unsigned char>(content[*invalid]), line);
}

/// Whether a document may have this name: it becomes the name of a capture folder and appears in tables.
bool is_fit(const std::string& name) {
  const auto is_unfit = [](char c) { return c == '/' || static_cast<unsigned char>(c) < ' ' || c == 0x7F; };
  return !name.empty() && !name.starts_with('.') && std::none_of(name.begin(), name.end(), is_unfit);
}

/// The record's name or id, if it can name a document; else empty. Ids may be addresses, paths or objects.
std::string name_of(const json& object) {
  for (const char* key : {"name", "id"}) {
    const auto found = object.find(key);
    if (found == object.end()) continue;
    if (const auto number = as_integer(*found)) return std::to_string(*number);
    if (found->is_string() && is_fit(found->get<std::string>())) return found->get<std::string>();
  }
  return {};
}

/// Throws InputError for known formats that are not text, which their first bytes identify.
void refuse_known_formats(const std::string& content, const std::string& file) {
  struct Format {
    std::string_view begin, remedy;
  };
  constexpr Format kFormats[] = {{"\x1F\x8B", "compressed by gzip twice; decompress it (gunzip -k)"},
                                 {"\x28\xB5\x2F\xFD", "compressed by zstd twice; decompress it (zstd -d)"},
                                 {"BZh", "compressed by bzip2; decompress it (bunzip2 -k)"},
                                 {"\xFD"
                                  "7zXZ",
                                  "compressed by xz; decompress it (unxz -k)"},
                                 {"PK\x03\x04", "a zip archive; unpack it"},
                                 {"PAR1", "a Parquet table; write its texts as .jsonl with pandas or datasets"}};
  for (const auto& [begin, remedy] : kFormats) {
    if (content.starts_with(begin)) throw InputError("{}: is {}", file, remedy);
  }
  constexpr std::size_t kTarMark = 257;
  if (content.size() > kTarMark && std::string_view(content).substr(kTarMark).starts_with("ustar")) {
    throw InputError("{}: is a tar archive; unpack it", file);
  }
}

/// Other keys of a line describe the origin of its text; they are not needed.
std::vector<Document> read_lines(const std::string& content, const std::string& file, const std::string& stem) {
  std::vector<Document> documents;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string line = content.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = fmt::format("{}: line {}", file, number);
    const json object = parse_json_record(line, place, "text");
    auto text = required<std::string>(object, "text", place);
    std::string name = name_of(object);
    if (name.empty()) name = fmt::format("{}-{}", stem, number);
    documents.push_back({std::move(name), std::move(text), place});
  }
  return documents;
}

std::vector<Document> read_list(const std::string& content, const std::string& file, const std::string& stem) {
  const json list = parse_json(content, file);
  if (!list.is_array()) throw InputError("{}: must be a list of texts, not {}; correct it", file, excerpt(list));
  std::vector<Document> documents;
  for (const json& element : list) {
    const std::size_t number = documents.size();
    if (!element.is_string()) {
      throw InputError("{}: element {} is {}, not a text; give texts as strings, and token ids in separate files", file,
                       number, excerpt(element));
    }
    documents.push_back(
        {fmt::format("{}-{}", stem, number), element.get<std::string>(), fmt::format("{}: element {}", file, number)});
  }
  return documents;
}

}  // namespace

std::vector<Document> read_documents(const std::filesystem::path& path, std::size_t limit) {
  const std::filesystem::path name = name_before_compression(path);
  const std::string file = path.string(), stem = name.stem().string();
  std::string content = decompressed(read_file(path, limit), file, limit);
  refuse_known_formats(content, file);
  check_utf8(content, file);
  std::vector<Document> documents;
  if (name.extension() == ".jsonl" || name.extension() == ".ndjson") {
    documents = read_lines(content, file, stem);
  } else if (name.extension() == ".json") {
    documents = read_list(content, file, stem);
  } else {
    documents.push_back({stem, std::move(content), file});
  }
  if (documents.empty()) throw InputError("{}: holds no texts; give at least one", file);
  for (const Document& document : documents) {
    if (document.text.empty()) throw InputError("{}: the text is empty; remove it", document.place);
  }
  return documents;
}

}  // namespace logitfield::io
