#pragma once
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// The metadata of a model's architecture ("llama.block_count", ...), written as the keys of a config.json. It
/// remembers which keys were read. The others are handed on under their own names, so that a key that may change the
/// arithmetic is refused as in any configuration.
class ArchitectureKeys {
 public:
  using Renaming = std::pair<const char*, const char*>;

  explicit ArchitectureKeys(const GgufModel& model);

  /// Copies values that are present to the keys of `config`: {to, from}.
  void copy(nlohmann::json& config, std::initializer_list<Renaming> names);
  /// Copies sizes, which must be present; throws InputError naming the key if one is missing or not an integer.
  void copy_sizes(nlohmann::json& config, std::initializer_list<Renaming> names);
  /// Return the value of a key, or the fallback; throw InputError naming the key for another type.
  double number_or(const std::string& key, double fallback);
  std::int64_t integer_or(const std::string& key, std::int64_t fallback);
  bool flag_or(const std::string& key, bool fallback);
  std::string text_or(const std::string& key, const std::string& fallback);
  /// Returns the value of a key; throws InputError if it is missing or not an integer.
  std::int64_t integer(const std::string& key);
  bool has(const std::string& key);

  /// Marks keys that change nothing.
  void ignore(std::initializer_list<const char*> keys);
  /// Copies the keys that were not read to `config`.
  void hand_on_unread(nlohmann::json& config) const;

 private:
  std::string full(const std::string& key);

  const nlohmann::json& metadata_;
  std::string origin_, prefix_;
  std::set<std::string> read_;
};

}  // namespace logitfield::io
