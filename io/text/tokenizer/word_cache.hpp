#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace logitfield::io {

/// Remembers what short sequences of symbols became, within bounded memory: a full cache is emptied.
class WordCache {
 public:
  /// Words of more symbols hardly come twice.
  static constexpr std::size_t kLongestWord = 64;

  WordCache();

  /// What the word became; empty if it is not known. Valid until the next put().
  std::optional<std::span<const std::int32_t>> find(std::span<const std::int32_t> word);
  /// Remembers the word that find() last did not know.
  void put(std::span<const std::int32_t> word, std::span<const std::int32_t> tokens);

 private:
  struct Slot {
    std::uint64_t hash = 0;
    /// Of the word in store_, its tokens behind it.
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
