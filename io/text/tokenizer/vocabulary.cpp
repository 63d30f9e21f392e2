#include "io/text/tokenizer/vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "io/hash.hpp"

namespace logitfield::io {
namespace {

std::uint32_t hash_of(std::string_view text) {
  return static_cast<std::uint32_t>(hash_bytes(std::as_bytes(std::span(text))));
}

}  // namespace

Vocabulary::Vocabulary(std::size_t size) : slots_(std::bit_ceil(2 * size + 16)) {}

std::size_t Vocabulary::position(std::string_view text, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].id != kEmpty && (slots_[at].hash != hash || text_of(slots_[at]) != text)) at = (at + 1) & mask;
  return at;
}

void Vocabulary::add(std::string_view text, std::int32_t id) {
  if (2 * size_ >= slots_.size()) grow();
  const std::uint32_t hash = hash_of(text);
  Slot& slot = slots_[position(text, hash)];
  if (slot.id != kEmpty) return;
  slot = {hash, static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(text.size()), id};
  texts_ += text;
  longest_ = std::max(longest_, text.size());
  ++size_;
}

void Vocabulary::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : old) {
    if (slot.id != kEmpty) slots_[position(text_of(slot), slot.hash)] = slot;
  }
}

std::optional<std::int32_t> Vocabulary::find(std::string_view text) const {
  const Slot& slot = slots_[position(text, hash_of(text))];
  return slot.id == kEmpty ? std::nullopt : std::optional(slot.id);
}

}  // namespace logitfield::io
