#include "io/text/tokenizer/section.hpp"

#include <algorithm>

#include "io/error.hpp"

namespace logitfield::io {

using nlohmann::json;

Section::Section(const json& value, std::string origin) : value_(value), origin_(std::move(origin)) {
  if (!value.is_object()) {
    throw InputError("{}: must be a JSON object {{...}}, not {}; copy the file again", origin_, excerpt(value));
  }
}

bool Section::has(const char* key) const {
  const auto found = value_.find(key);
  return found != value_.end() && !found->is_null();
}

const json& Section::at(const char* key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) throw InputError("{}: \"{}\" is missing; copy the file again", origin_, key);
  return *found;
}

std::optional<Section> Section::section(const char* key) const {
  if (!has(key)) return std::nullopt;
  return Section(at(key), origin_ + ": " + key);
}

std::vector<Section> Section::sections(const char* key) const {
  const json& list = at(key);
  if (!list.is_array()) {
    throw InputError("{}: \"{}\" must be a list, not {}; copy the file again", origin_, key, excerpt(list));
  }
  std::vector<Section> out;
  for (const json& element : list) out.emplace_back(element, fmt::format("{}: {} {}", origin_, key, out.size()));
  return out;
}

void Section::allow(std::initializer_list<const char*> known) const {
  for (const auto& [key, value] : value_.items()) {
    if (key == "type" || std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw InputError("{}: \"{}\" is not a known key and may change the ids; {}", origin_, key, kTokenizerRemedy);
  }
}

void Section::refuse(const char* key) const {
  throw InputError("{}: \"{}\" is {}, which is not implemented; {}", origin_, key, excerpt(at(key)), kTokenizerRemedy);
}

}  // namespace logitfield::io
