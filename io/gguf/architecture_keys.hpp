#pragma once
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "io/gguf/gguf_model.hpp"

namespace logitfield::io {

/// The metadata of a model's architecture ("llama.block_count", ...), written as the keys of a config.json. It
/// remembers which keys were read: the others are handed on by their own names, so that what may change the arithmetic
/// is refused as in any configuration.
class ArchitectureKeys {
 public:
  using Renaming = std::pair<const char*, const char*>;

  explicit ArchitectureKeys(const GgufModel& model);

  /// Copies values that are there to the keys of `config`: {to, from}.
  void copy(nlohmann::json& config, std::initializer_list<Renaming> names);
  /// The same for sizes that must be there; throws InputError naming the key where one is missing or no integer.
  void copy_sizes(nlohmann::json& config, std::initializer_list<Renaming> names);
  /// The value of a key, or the fallback; throws InputError naming the key for another type.
  double number_or(const std::string& key, double fallback);
  std::int64_t integer_or(const std::string& key, std::int64_t fallback);
  bool flag_or(const std::string& key, bool fallback);
  std::string text_or(const std::string& key, const std::string& fallback);
  /// Throws InputError if the key is missing or no integer.
  std::int64_t integer(const std::string& key);
  bool has(const std::string& key);

  /// Marks keys that change nothing.
  void ignore(std::initializer_list<const char*> keys);
  /// Copies what was not read to `config`.
  void hand_on_unread(nlohmann::json& config) const;

 private:
  std::string full(const std::string& key);

  const nlohmann::json& metadata_;
  std::string origin_, prefix_;
  std::set<std::string> read_;
};

}  // namespace logitfield::io
