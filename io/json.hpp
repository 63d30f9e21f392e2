#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace logitfield::io {

/// The most memory that JSON values may take. A small hostile file could fill any memory otherwise.
inline constexpr std::size_t kMostJsonBytes = std::size_t{2} << 30;

/// Parses one record of a data set, of which only some keys are read. It differs from parse_json: NaN and infinite
/// numbers become null, and keys may be repeated, except `key` in the record itself.
nlohmann::json parse_json_record(std::string_view text, const std::string& origin, std::string_view key);

/// Parses `text`, which came from `origin` (used in messages). Throws InputError if it is not JSON, repeats a name
/// within one object, nests deeper than 64 levels, or takes about `most_bytes` of memory. `only`: the one key of the
/// outermost object that must not be repeated, instead of all keys.
nlohmann::json parse_json(std::string_view text, const std::string& origin, std::string_view only = {},
                          std::size_t most_bytes = kMostJsonBytes);
/// Reads and parses a file of at most 1 GiB; throws InputError naming it.
nlohmann::json read_json(const std::filesystem::path& path);

/// Shortens a text to about 80 bytes, for messages.
std::string shortened(std::string text);
/// Formats a value as JSON text for messages: on one line, control characters escaped, at most about 80 bytes.
std::string excerpt(const nlohmann::json& value);

/// Returns the value if it is written as an integer and fits into 64 bits.
std::optional<std::int64_t> as_integer(const nlohmann::json& value);

/// Returns the value at `key` of an object as T (std::int64_t, double, bool, std::string). If it is missing or of
/// another type, throws InputError naming `origin`, key and the value found. Integers must fit and be written as
/// integers.
template <class T>
T required(const nlohmann::json& object, const char* key, const std::string& origin);

/// Returns the value at `key`, or `fallback` if it is missing or null; else as required().
template <class T>
T optional_or(const nlohmann::json& object, const char* key, T fallback, const std::string& origin);

}  // namespace logitfield::io
