#pragma once
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/json.hpp"

namespace logitfield::io {

/// An object inside tokenizer.json and its place, for messages: "my/tokenizer.json: model". It refers to the JSON that
/// it was made from, which must outlive it.
class Section {
 public:
  /// Throws InputError if `value` is not an object.
  Section(const nlohmann::json& value, std::string origin);

  const std::string& origin() const { return origin_; }
  bool has(const char* key) const;

  /// See required() and optional_or() of io/json.hpp.
  template <class T>
  T get(const char* key) const {
    return required<T>(value_, key, origin_);
  }
  template <class T>
  T get_or(const char* key, T fallback) const {
    return optional_or(value_, key, std::move(fallback), origin_);
  }

  /// Returns the value at `key`, which must be present.
  const nlohmann::json& at(const char* key) const;
  /// Returns the object at `key`; nothing if it is missing or null.
  std::optional<Section> section(const char* key) const;
  /// Returns the objects of the list at `key`, which must be present.
  std::vector<Section> sections(const char* key) const;

  /// Returns the "type"; throws InputError if it is missing.
  std::string type() const { return get<std::string>("type"); }
  /// Throws InputError naming the first key that is neither "type" nor one of `known`: it may change the ids.
  void allow(std::initializer_list<const char*> known) const;
  /// Throws InputError: the value of `key` is not implemented.
  [[noreturn]] void refuse(const char* key) const;

 private:
  const nlohmann::json& value_;
  std::string origin_;
};

/// Remedy for a tokenizer that is not implemented.
inline constexpr const char* kTokenizerRemedy =
    "make token ids with the model's own tokenizer and give those instead of texts";

}  // namespace logitfield::io
