#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace logitfield::io {

/// Remembers the tokens of short sequences of symbols. Its memory is bounded: a full cache is emptied.
class WordCache {
 public:
  /// Longer words rarely occur twice and are not remembered.
  static constexpr std::size_t kLongestWord = 64;

  WordCache();

  /// Returns the tokens of the word, valid until the next put(); nothing if the word is unknown.
  std::optional<std::span<const std::int32_t>> find(std::span<const std::int32_t> word);
  /// Remembers the tokens of the word that the last find() did not know.
  void put(std::span<const std::int32_t> word, std::span<const std::int32_t> tokens);

 private:
  struct Slot {
    std::uint64_t hash = 0;
    /// Position of the word in store_; its tokens follow it.
    std::uint32_t offset = 0;
    std::uint8_t word_size = 0, token_count = 0;
  };

  void clear();

  std::vector<Slot> slots_;
  std::vector<std::int32_t> store_;
  std::size_t used_ = 0;
  std::uint64_t last_hash_ = 0;
};

}  // namespace logitfield::io
