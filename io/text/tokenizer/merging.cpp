#include "io/text/tokenizer/merging.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace logitfield::io {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::int32_t kGone = -1;
constexpr std::size_t kLongestScan = 24;

}  // namespace

void Merger::merge(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens) {
  if (symbols.size() <= kLongestScan) {
    merge_by_scan(symbols, tokens);
  } else {
    merge_by_heap(symbols, tokens);
  }
}

void Merger::merge_by_scan(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens) {
  const auto rank_at = [&](std::size_t left) {
    const Merge* merge = left + 1 < word_.size() ? merges_.find(word_[left], word_[left + 1]) : nullptr;
    return merge ? merge->rank : kNoRank;
  };
  word_.assign(symbols.begin(), symbols.end());
  ranks_.resize(word_.size());
  for (std::size_t i = 0; i < word_.size(); ++i) ranks_[i] = rank_at(i);
  while (!word_.empty()) {
    const auto least = std::min_element(ranks_.begin(), ranks_.end());
    if (*least == kNoRank) break;
    const auto left = static_cast<std::size_t>(least - ranks_.begin());
    word_[left] = merges_.find(word_[left], word_[left + 1])->result;
    word_.erase(word_.begin() + static_cast<std::ptrdiff_t>(left) + 1);
    ranks_.erase(least + 1);
    ranks_[left] = rank_at(left);
    if (left > 0) ranks_[left - 1] = rank_at(left - 1);
  }
  tokens.insert(tokens.end(), word_.begin(), word_.end());
}

void Merger::link(std::span<const std::int32_t> symbols) {
  const auto size = static_cast<std::uint32_t>(symbols.size());
  list_.resize(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    list_[i] = {symbols[i], i > 0 ? i - 1 : kNone, i + 1 < size ? i + 1 : kNone};
  }
}

/// Notes that the symbol at `left` could merge with its right neighbour.
void Merger::offer(std::uint32_t left) {
  if (left == kNone || list_[left].next == kNone) return;
  const Merge* merge = merges_.find(list_[left].id, list_[list_[left].next].id);
  if (merge) heap_.push_back(std::uint64_t{merge->rank} << 32 | left);
}

void Merger::join(std::uint32_t left, std::int32_t result) {
  Symbol& symbol = list_[left];
  Symbol& right = list_[symbol.next];
  symbol.id = result;
  symbol.next = right.next;
  right.id = kGone;
  if (symbol.next != kNone) list_[symbol.next].previous = left;
}

void Merger::merge_by_heap(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens) {
  link(symbols);
  heap_.clear();
  for (std::uint32_t i = 0; i < list_.size(); ++i) offer(i);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  const auto offer_ordered = [&](std::uint32_t left) {
    const std::size_t before = heap_.size();
    offer(left);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    const auto rank = static_cast<std::uint32_t>(heap_.front() >> 32);
    const auto left = static_cast<std::uint32_t>(heap_.front());
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    heap_.pop_back();
    if (list_[left].id == kGone || list_[left].next == kNone) continue;
    // The pair may have changed since it was noted.
    const Merge* merge = merges_.find(list_[left].id, list_[list_[left].next].id);
    if (!merge || merge->rank != rank) continue;
    join(left, merge->result);
    offer_ordered(list_[left].previous);
    offer_ordered(left);
  }
  for (const Symbol& symbol : list_) {
    if (symbol.id != kGone) tokens.push_back(symbol.id);
  }
}

}  // namespace logitfield::io
