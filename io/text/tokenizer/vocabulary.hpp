#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace logitfield::io {

/// Ids of tokens by their text: open addressing over one array, and all texts in one string, because reading merges
/// looks up millions of them.
class Vocabulary {
 public:
  /// Makes room for `size` tokens.
  explicit Vocabulary(std::size_t size = 0);

  /// Adds a token; a text that is already present keeps its id.
  void add(std::string_view text, std::int32_t id);
  std::optional<std::int32_t> find(std::string_view text) const;
  std::size_t size() const { return size_; }
  /// Returns the bytes of the longest token.
  std::size_t longest() const { return longest_; }

  /// Calls visit(text, id) for every token.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.id != kEmpty) visit(text_of(slot), slot.id);
    }
  }

 private:
  static constexpr std::int32_t kEmpty = -1;
  struct Slot {
    std::uint32_t hash = 0, offset = 0, length = 0;
    std::int32_t id = kEmpty;
  };

  std::string_view text_of(const Slot& slot) const { return std::string_view(texts_).substr(slot.offset, slot.length); }
  /// Returns the slot that holds the text, or the slot for it.
  std::size_t position(std::string_view text, std::uint32_t hash) const;
  void grow();

  std::vector<Slot> slots_;
  std::string texts_;
  std::size_t size_ = 0, longest_ = 0;
};

}  // namespace logitfield::io
