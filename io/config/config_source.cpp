#include "io/config/config_source.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "io/config/unknown_keys.hpp"
#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

using nlohmann::json;

/// Sizes up to 2^31 - 1 keep every product of two within 64 bits.
constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

}  // namespace

bool ConfigSource::has(const std::string& key) const {
  read_.insert(key);
  return object_.contains(key) && !object_.at(key).is_null();
}

const json& ConfigSource::at(const std::string& key) const {
  if (!has(key)) throw InputError("{}: \"{}\" is missing; add it", path_, key);
  return object_.at(key);
}

template <class T>
T ConfigSource::value_or(const std::string& key, T fallback) const {
  return has(key) ? required<T>(object_, key.c_str(), path_) : fallback;
}

std::int64_t ConfigSource::size(const std::string& key) const {
  if (!has(key)) (void)required<std::int64_t>(object_, key.c_str(), path_);
  return size_or(key, 0);
}

std::int64_t ConfigSource::size_or(const std::string& key, std::int64_t fallback) const {
  const std::int64_t value = value_or(key, fallback);
  if (value < 1 || value > kMaxSize) {
    throw InputError("{}: \"{}\" is {}, but must lie in 1 ... {}; correct it", path_, key, value, kMaxSize);
  }
  return value;
}

std::int64_t ConfigSource::count_or(const std::string& key, std::int64_t fallback) const {
  const std::int64_t value = value_or(key, fallback);
  return value == 0 ? 0 : size_or(key, fallback);
}

bool ConfigSource::flag(const std::string& key, bool fallback) const { return value_or(key, fallback); }

double ConfigSource::number_or(const std::string& key, double fallback) const {
  const double value = value_or(key, fallback);
  if (!std::isfinite(value)) throw InputError("{}: \"{}\" is {}, but must be finite; correct it", path_, key, value);
  return value;
}

double ConfigSource::positive_or(const std::string& key, double fallback) const {
  const double value = number_or(key, fallback);
  if (!(value > 0)) throw InputError("{}: \"{}\" is {}, but must be positive; correct it", path_, key, value);
  return value;
}

std::string ConfigSource::text_or(const std::string& key, const std::string& fallback) const {
  return value_or(key, fallback);
}

std::vector<double> ConfigSource::numbers(const std::string& key) const {
  const json& list = at(key);
  const auto is_number = [](const json& v) { return v.is_number() && std::isfinite(v.get<double>()); };
  if (!list.is_array() || !std::ranges::all_of(list, is_number)) {
    throw InputError("{}: \"{}\" is {}, not a list of finite numbers; correct it", path_, key, excerpt(list));
  }
  return list.get<std::vector<double>>();
}

std::vector<std::string> ConfigSource::texts(const std::string& key) const {
  const json& list = at(key);
  if (!list.is_array() || !std::ranges::all_of(list, [](const json& v) { return v.is_string(); })) {
    throw InputError("{}: \"{}\" is {}, not a list of names; correct it", path_, key, excerpt(list));
  }
  return list.get<std::vector<std::string>>();
}

ConfigSource ConfigSource::object(const std::string& key) const {
  const json& value = at(key);
  if (!value.is_object()) throw InputError("{}: \"{}\" is {}, not an object; correct it", path_, key, excerpt(value));
  return {path_ + ": " + key, value};
}

void ConfigSource::require(const std::string& key, const json& value) const {
  if (has(key) && object_.at(key) != value) refuse(key, "use a model where it is " + value.dump());
}

void ConfigSource::require_written(const std::string& key) const {
  if (!object_.contains(key)) throw InputError("{}: \"{}\" is missing; add it (null if there is none)", path_, key);
}

void ConfigSource::ignore(std::initializer_list<const char*> keys) const { read_.insert(keys.begin(), keys.end()); }

std::vector<std::string> ConfigSource::unread() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : object_.items()) {
    if (!value.is_null() && !read_.contains(key) && !is_harmless(key)) out.push_back(key);
  }
  return out;
}

std::string ConfigSource::quoted(const std::string& key) const {
  return fmt::format("\"{}\" is {}", key, excerpt(object_.at(key)));
}

bool ConfigSource::repeats_a_read_key(const std::string& key) const {
  return std::ranges::any_of(read_, [&](const std::string& other) {
    return key.starts_with(other) && object_.contains(other) && object_.at(other) == object_.at(key);
  });
}

void ConfigSource::refuse_unread() const { refuse_keys(unread()); }

std::vector<std::string> ConfigSource::unknown_keys() const {
  std::vector<std::string> refused, told;
  for (const std::string& key : unread()) {
    if (may_change_arithmetic(key, object_.at(key)) && !repeats_a_read_key(key)) {
      refused.push_back(key);
    } else {
      told.push_back(quoted(key));
    }
  }
  refuse_keys(refused);
  return told;
}

void ConfigSource::refuse_keys(const std::vector<std::string>& keys) const {
  if (keys.empty()) return;
  std::vector<std::string> all;
  for (const std::string& key : keys) all.push_back(quoted(key));
  throw InputError(
      "{}: {}: unknown for this model type, but the name suggests a change of the forward pass; remove it if you are "
      "sure that it changes nothing, or record the model with io/capture/capture_hf.py",
      path_, fmt::join(all, ", "));
}

void ConfigSource::refuse(const std::string& key, const std::string& remedy) const {
  throw InputError("{}: \"{}\" is {}, which is not implemented; {}, or record the model with io/capture/capture_hf.py",
                   path_, key, excerpt(object_.contains(key) ? object_.at(key) : json()), remedy);
}

}  // namespace logitfield::io
