#include "pipeline/results/manifest_differences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace logitfield {
namespace {

using nlohmann::json;

/// Whether the entry at this JSON pointer describes only where or how fast the run was made, or is a sentence for
/// people. Such entries may differ between sessions.
bool is_of_sessions(std::string_view pointer) {
  for (const std::string_view key : {"/started", "/grid", "/weights", "/hosts", "/mpi", "/model/path", "/model/notices",
                                     "/tokenization/tokenizer"}) {
    if (pointer.starts_with(key) && (pointer.size() == key.size() || pointer[key.size()] == '/')) return true;
  }
  return pointer.starts_with("/routes/") && pointer.ends_with("/shared");
}

bool is_window(std::string_view pointer) {
  return pointer.starts_with("/model/windows") || pointer.starts_with("/model/chunks");
}

/// Whether this is a layer's window (or chunk length) that hides no key of the longest context and so decides nothing.
bool hides_nothing(std::string_view pointer, const json& keys, const json& manifest) {
  if (!is_window(pointer)) return false;
  const json contexts = manifest.value("contexts", json::array());
  if (!keys.is_number()) return true;
  const bool known = contexts.is_array() && !contexts.empty() && contexts.back().is_number();
  return known && keys.get<double>() >= contexts.back().get<double>();
}

/// Entries that decide the numbers, by JSON pointer, as JSON. Equivalent values are made equal: both dense routes (on
/// one rank or several) give the same numbers, and so do all versions of a back end's library.
std::map<std::string, std::string> decisive_values(const json& manifest) {
  std::map<std::string, std::string> out;
  json values = manifest.flatten();
  for (auto& [pointer, value] : values.items()) {
    if (pointer.empty() || is_of_sessions(pointer)) continue;  // empty: a value without a name
    if (hides_nothing(pointer, value, manifest)) continue;
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
  const auto knows_windows = [](const std::map<std::string, std::string>& values) {
    return std::ranges::any_of(values, [](const auto& value) { return is_window(value.first); });
  };
  const bool unwindowed = !knows_windows(old_values) && knows_windows(new_values);
  if (unwindowed) {
    out.push_back(
        "model/windows: before, layers with windows were measured over all keys; now, over the keys that they see");
  }
  for (const std::string& pointer : pointers) {
    if (unwindowed && is_window(pointer)) continue;
    const std::string old_value = value_of(old_values, pointer), new_value = value_of(new_values, pointer);
    if (old_value != new_value)
      out.push_back(fmt::format("{}: {} before, {} now", pointer.substr(1), old_value, new_value));
  }
  return out;
}

}  // namespace logitfield
