#include "io/text/tokens.hpp"

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "io/npy.hpp"

namespace logitfield::io {
namespace {

/// Returns the list of ids: the file itself, its only element (a batch of one text), or its "input_ids".
nlohmann::json id_list(const std::filesystem::path& path) {
  nlohmann::json list = read_json(path);
  if (list.is_object() && list.contains("input_ids")) list = nlohmann::json(list.at("input_ids"));
  if (list.is_array() && list.size() == 1 && list.front().is_array()) list = nlohmann::json(list.front());
  if (list.is_array() && !list.empty() && list.front().is_array()) {
    throw InputError("{}: holds {} lists of token ids; put one text in each file", path.string(), list.size());
  }
  return list;
}

std::vector<std::int64_t> read_json_integers(const std::filesystem::path& path) {
  const nlohmann::json list = id_list(path);
  if (!list.is_array())
    throw InputError("{}: must be a list of token ids, not {}; correct it", path.string(), excerpt(list));
  std::vector<std::int64_t> values;
  values.reserve(list.size());
  for (const auto& element : list) {
    const auto value = as_integer(element);
    if (!value) {
      throw InputError("{}: element {} is {}, not an integer of at most 64 bits; give token ids", path.string(),
                       values.size(), excerpt(element));
    }
    values.push_back(*value);
  }
  return values;
}

/// Reads a file of nothing but ids, as training programs write it.
std::vector<std::int64_t> read_raw_integers(const std::filesystem::path& path, std::optional<IntegerKind> kind) {
  constexpr std::size_t kLargestRawFile = std::size_t{1} << 32;
  if (!kind) throw InputError("{}: does not say how its token ids are stored; name their type", path.string());
  const std::string content = read_file(path, kLargestRawFile);
  if (content.size() % integer_size(*kind) != 0) {
    throw InputError("{}: {} bytes are not a whole number of ids of {} bytes; name another type", path.string(),
                     content.size(), integer_size(*kind));
  }
  return integers_of(*kind, std::as_bytes(std::span(content)));
}

std::vector<std::int64_t> read_integers(const std::filesystem::path& path, std::optional<IntegerKind> raw) {
  if (path.extension() == ".npy") return read_npy_integers(path);
  if (path.extension() == ".json") return read_json_integers(path);
  if (path.extension() == ".bin") return read_raw_integers(path, raw);
  throw InputError("{}: the extension \"{}\" is neither .npy nor .json nor .bin; give a token file with one of these",
                   path.string(), path.extension().string());
}

}  // namespace

TokenText read_tokens(const std::filesystem::path& path, std::int64_t vocab_size, std::optional<IntegerKind> raw) {
  const auto values = read_integers(path, raw);
  if (values.empty()) throw InputError("{}: holds no tokens; give at least one", path.string());
  TokenText text{path.stem().string(), {}};
  text.tokens.reserve(values.size());
  for (const std::int64_t id : values) {
    if (id < 0 || id >= vocab_size) {
      throw InputError("{}: token {} is {}, outside 0 ... {}; use the model's own tokenizer", path.string(),
                       text.tokens.size(), id, vocab_size - 1);
    }
    text.tokens.push_back(static_cast<std::int32_t>(id));
  }
  return text;
}

}  // namespace logitfield::io
