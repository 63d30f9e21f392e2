#include "io/text/tokenizer/tokenizer_file.hpp"

#include <span>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/hash.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/section.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kLargestTokenizer = std::size_t{1} << 30;

std::string read_tokenizer_json(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw InputError(
        "{}: no such file; {}, or write one with AutoTokenizer.from_pretrained(...).save_pretrained(...) of "
        "transformers",
        path.string(), kTokenizerRemedy);
  }
  return read_file(path, kLargestTokenizer);
}

nlohmann::json read_neighbour(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json(path) : nlohmann::json::object();
}

}  // namespace

TokenizerFile read_tokenizer_folder(const std::filesystem::path& folder) {
  TokenizerFile out;
  out.path = folder / "tokenizer.json";
  const std::string text = read_tokenizer_json(out.path);
  out.hash = hash_bytes(std::as_bytes(std::span(text)));
  out.content = parse_json(text, out.path.string());
  out.tokenizer_config = read_neighbour(folder / "tokenizer_config.json");
  out.config = read_neighbour(folder / "config.json");
  return out;
}

}  // namespace logitfield::io
