#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "io/text/tokenizer/pair_map.hpp"

namespace logitfield::io {

/// The symbol that two neighbouring symbols become, and the rank of this merge: lower ranks go first.
struct Merge {
  std::uint32_t rank = 0;
  std::int32_t result = 0;
};
using Merges = PairMap<Merge>;

/// Applies the merges to a sequence of symbols: always the merge of lowest rank next, the leftmost of equal ones. Takes
/// O(n log n) steps. Keeps its memory between calls; only one thread may use it at a time.
class Merger {
 public:
  explicit Merger(const Merges& merges) : merges_(merges) {}

  /// Appends the tokens that `symbols` merge into.
  void merge(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens);

 private:
  /// Merges short words: searches all ranks again after every merge.
  void merge_by_scan(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens);
  /// Merges long words with a heap of possible merges over a linked list of symbols.
  void merge_by_heap(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& tokens);
  void link(std::span<const std::int32_t> symbols);
  void offer(std::uint32_t left);
  void join(std::uint32_t left, std::int32_t result);

  struct Symbol {
    std::int32_t id;  // kGone: became part of its left neighbour
    std::uint32_t previous, next;
  };

  const Merges& merges_;
  std::vector<std::int32_t> word_;
  std::vector<std::uint32_t> ranks_;
  std::vector<Symbol> list_;
  /// rank and position of the left symbol: the smallest is the next to merge
  std::vector<std::uint64_t> heap_;
};

}  // namespace logitfield::io
