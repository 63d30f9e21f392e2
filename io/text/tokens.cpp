#include "io/text/tokens.hpp"

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/npy.hpp"

namespace logitfield::io {
namespace {

std::vector<std::int64_t> read_json_integers(const std::filesystem::path& path) {
  const nlohmann::json list = read_json(path);
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

std::vector<std::int64_t> read_integers(const std::filesystem::path& path) {
  if (path.extension() == ".npy") return read_npy_integers(path);
  if (path.extension() == ".json") return read_json_integers(path);
  throw InputError("{}: the extension \"{}\" is neither .npy nor .json; give a token file of either kind",
                   path.string(), path.extension().string());
}

}  // namespace

TokenText read_tokens(const std::filesystem::path& path, std::int64_t vocab_size) {
  const auto values = read_integers(path);
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
