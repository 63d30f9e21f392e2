#include "io/text/tokenizer/word_cache.hpp"

#include <algorithm>

#include "io/hash.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kSlots = std::size_t{1} << 17, kMostWords = kSlots / 2;
constexpr std::size_t kLargestStore = std::size_t{1} << 21;

}  // namespace

WordCache::WordCache() : slots_(kSlots) {}

std::optional<std::span<const std::int32_t>> WordCache::find(std::span<const std::int32_t> word) {
  last_hash_ = hash_bytes(std::as_bytes(word));
  for (std::size_t at = last_hash_ % kSlots; slots_[at].word_size > 0; at = (at + 1) % kSlots) {
    const Slot& slot = slots_[at];
    if (slot.hash != last_hash_ || slot.word_size != word.size()) continue;
    const std::int32_t* stored = store_.data() + slot.offset;
    if (std::equal(word.begin(), word.end(), stored)) return std::span(stored + slot.word_size, slot.token_count);
  }
  return std::nullopt;
}

void WordCache::put(std::span<const std::int32_t> word, std::span<const std::int32_t> tokens) {
  if (used_ == kMostWords || store_.size() + word.size() + tokens.size() > kLargestStore) clear();
  std::size_t at = last_hash_ % kSlots;
  while (slots_[at].word_size > 0) at = (at + 1) % kSlots;
  slots_[at] = {last_hash_, static_cast<std::uint32_t>(store_.size()), static_cast<std::uint8_t>(word.size()),
                static_cast<std::uint8_t>(tokens.size())};
  store_.insert(store_.end(), word.begin(), word.end());
  store_.insert(store_.end(), tokens.begin(), tokens.end());
  ++used_;
}

void WordCache::clear() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  store_.clear();
  used_ = 0;
}

}  // namespace logitfield::io
