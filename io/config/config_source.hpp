#pragma once
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace logitfield::io {

/// Reads config.json, or an object inside it, key by key. It remembers which keys were read: a key that nobody read may
/// change the arithmetic, so it is refused or reported, never ignored. Every member throws InputError naming file, key
/// and value for a value of another type or out of range. A key that is null counts as absent.
class ConfigSource {
 public:
  ConfigSource(std::string path, nlohmann::json object) : path_(std::move(path)), object_(std::move(object)) {}

  const std::string& path() const { return path_; }
  bool has(const std::string& key) const;
  const nlohmann::json& at(const std::string& key) const;

  std::int64_t size(const std::string& key) const;
  std::int64_t size_or(const std::string& key, std::int64_t fallback) const;
  /// Returns a size that may be 0.
  std::int64_t count_or(const std::string& key, std::int64_t fallback) const;
  bool flag(const std::string& key, bool fallback = false) const;
  double number_or(const std::string& key, double fallback) const;
  double positive_or(const std::string& key, double fallback) const;
  std::string text_or(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  ConfigSource object(const std::string& key) const;

  /// Throws InputError if the key is present with another value, whose arithmetic is not implemented.
  void require(const std::string& key, const nlohmann::json& value) const;
  /// Throws InputError if the key is missing. It may be null: its default differs between model types.
  void require_written(const std::string& key) const;
  /// Tells whether a reader has asked for the key.
  bool asked(const std::string& key) const { return read_.contains(key); }
  /// Marks keys of this family that change nothing in a forward pass.
  void ignore(std::initializer_list<const char*> keys) const;
  /// Throws InputError naming all keys that were neither read nor marked by ignore().
  void refuse_unread() const;
  /// Returns the unread keys that cannot change the arithmetic, with their values, for people to read. Throws
  /// InputError naming the others (may_change_arithmetic). A key that repeats the value of a read key under a longer
  /// name is returned too.
  std::vector<std::string> unknown_keys() const;

  [[noreturn]] void refuse(const std::string& key, const std::string& remedy) const;

 private:
  std::vector<std::string> unread() const;
  std::string quoted(const std::string& key) const;
  bool repeats_a_read_key(const std::string& key) const;
  void refuse_keys(const std::vector<std::string>& keys) const;
  template <class T>
  T value_or(const std::string& key, T fallback) const;

  std::string path_;
  nlohmann::json object_;
  mutable std::set<std::string> read_;
};

}  // namespace logitfield::io
