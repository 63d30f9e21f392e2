#include "pipeline/manifest_differences.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string_view>

namespace logitfield {
namespace {

using nlohmann::json;

/// Where and how fast, not what: these may differ from session to session. By JSON pointer.
bool is_of_sessions(std::string_view pointer) {
  for (const std::string_view key :
       {"/started", "/grid", "/weights", "/hosts", "/mpi", "/model/path", "/tokenization/tokenizer"}) {
    if (pointer.starts_with(key) && (pointer.size() == key.size() || pointer[key.size()] == '/')) return true;
  }
  return pointer.starts_with("/routes/") && pointer.ends_with("/shared");
}

/// What decides the numbers, by JSON pointer, as JSON. One of a kind: the dense routes give the same numbers, on one
/// rank or several, and so does every version of a back end's library.
std::map<std::string, std::string> decisive_values(const json& manifest) {
  std::map<std::string, std::string> out;
  json values = manifest.flatten();
  for (auto& [pointer, value] : values.items()) {
    if (pointer.empty() || is_of_sessions(pointer)) continue;  // empty: of what holds no values by name
    if (pointer == "/backend" && value.is_string()) {
      const std::string text = value.get<std::string>();
      value = text.substr(0, text.find(' '));
    }
    if (value == "scalapack") value = "dense";
    out.emplace(pointer, value.dump());
  }
  return out;
}

}  // namespace

std::vector<std::string> manifest_differences(const json& before, const json& now) {
  const std::map<std::string, std::string> old_values = decisive_values(before), new_values = decisive_values(now);
  std::set<std::string> pointers;
  for (const auto* values : {&old_values, &new_values}) {
    for (const auto& [pointer, value] : *values) pointers.insert(pointer);
  }
  const auto value_of = [](const std::map<std::string, std::string>& values, const std::string& pointer) {
    const auto found = values.find(pointer);
    return found == values.end() ? "nothing" : found->second;
  };
  std::vector<std::string> out;
  for (const std::string& pointer : pointers) {
    const std::string old_value = value_of(old_values, pointer), new_value = value_of(new_values, pointer);
    if (old_value != new_value)
      out.push_back(fmt::format("{}: {} before, {} now", pointer.substr(1), old_value, new_value));
  }
  return out;
}

}  // namespace logitfield
