#include "io/json.hpp"

#include <limits>
#include <type_traits>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json_builder.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxFileSize = std::size_t{1} << 30;
constexpr std::size_t kMaxExcerpt = 80;

/// Python's json module writes NaN and infinite numbers by names that JSON does not have; they become null.
std::string with_null_for_names(std::string_view text) {
  std::string out;
  bool inside = false;  // a string
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    std::size_t length = 1;
    bool is_name = false;
    for (const std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
      if (!inside && rest.starts_with(name)) length = name.size(), is_name = true;
    }
    if (rest.front() == '"') inside = !inside;
    if (inside && rest.front() == '\\' && rest.size() > 1) length = 2;
    out += is_name ? "null" : rest.substr(0, length);
    at += length;
  }
  return out;
}

template <class T>
constexpr const char* kTypeName = nullptr;
template <>
constexpr const char* kTypeName<std::int64_t> = "an integer of at most 64 bits";
template <>
constexpr const char* kTypeName<double> = "a number";
template <>
constexpr const char* kTypeName<bool> = "true or false";
template <>
constexpr const char* kTypeName<std::string> = "a string";

template <class T>
bool holds(const json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
  if constexpr (std::is_same_v<T, double>) return value.is_number();
  if constexpr (std::is_same_v<T, std::int64_t>) return as_integer(value).has_value();
}

template <class T>
T converted(const json& value, const char* key, const std::string& origin) {
  if (!holds<T>(value)) {
    throw InputError("{}: \"{}\" must be {}, not {}; correct it", origin, key, kTypeName<T>, excerpt(value));
  }
  return value.get<T>();
}

void require_object(const json& object, const std::string& origin) {
  if (!object.is_object()) {
    throw InputError("{}: must be a JSON object {{...}}, not {}; is it the right file?", origin, excerpt(object));
  }
}

}  // namespace

json parse_json(std::string_view text, const std::string& origin, std::string_view only, std::size_t most_bytes) {
  JsonBuilder builder(origin, only, most_bytes);
  json::sax_parse(text, &builder);
  return builder.take();
}

json parse_json_record(std::string_view text, const std::string& origin, std::string_view key) {
  return parse_json(with_null_for_names(text), origin, key);
}

json read_json(const std::filesystem::path& path) { return parse_json(read_file(path, kMaxFileSize), path.string()); }

std::string shortened(std::string text) {
  if (text.size() > kMaxExcerpt) text.replace(kMaxExcerpt, std::string::npos, "...");
  return text;
}

std::string excerpt(const json& value) {
  if (value.is_structured()) return value.is_object() ? "an object {...}" : "a list [...]";
  // A huge string need not be escaped in full. If the cut is inside a UTF-8 sequence, `replace` repairs it.
  const json head = value.is_string() ? json(value.get_ref<const std::string&>().substr(0, kMaxExcerpt)) : value;
  return shortened(head.dump(-1, ' ', true, json::error_handler_t::replace));
}

std::optional<std::int64_t> as_integer(const json& value) {
  constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > largest) return std::nullopt;
  return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
}

template <class T>
T required(const json& object, const char* key, const std::string& origin) {
  require_object(object, origin);
  const auto found = object.find(key);
  if (found == object.end()) throw InputError("{}: \"{}\" is missing; add it", origin, key);
  return converted<T>(*found, key, origin);
}

template <class T>
T optional_or(const json& object, const char* key, T fallback, const std::string& origin) {
  require_object(object, origin);
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? fallback : converted<T>(*found, key, origin);
}

template std::int64_t required(const json&, const char*, const std::string&);
template double required(const json&, const char*, const std::string&);
template bool required(const json&, const char*, const std::string&);
template std::string required(const json&, const char*, const std::string&);
template std::int64_t optional_or(const json&, const char*, std::int64_t, const std::string&);
template double optional_or(const json&, const char*, double, const std::string&);
template bool optional_or(const json&, const char*, bool, const std::string&);
template std::string optional_or(const json&, const char*, std::string, const std::string&);

}  // namespace logitfield::io
