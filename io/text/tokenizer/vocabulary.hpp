#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace logitfield::io {

/// Ids of tokens by their text.
class Vocabulary {
 public:
  void add(std::string text, std::int32_t id);
  std::optional<std::int32_t> find(std::string_view text) const;
  std::size_t size() const { return ids_.size(); }
  /// Bytes of the longest token.
  std::size_t longest() const { return longest_; }
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::size_t longest_ = 0;
};

inline void Vocabulary::add(std::string text, std::int32_t id) {
  longest_ = text.size() > longest_ ? text.size() : longest_;
  ids_.emplace(std::move(text), id);
}

inline std::optional<std::int32_t> Vocabulary::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace logitfield::io
