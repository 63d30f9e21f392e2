#pragma once
#include <cstdint>
#include <vector>

namespace logitfield::io {

/// A map from pairs of token ids to small values: open addressing, one array, no removal.
template <class Value>
class PairMap {
 public:
  /// Makes room for `size` pairs.
  explicit PairMap(std::size_t size = 0) {
    std::size_t slots = 16;
    while (slots < 2 * size + 2) slots *= 2;
    slots_.resize(slots);
  }

  /// Sets the value of the pair, replacing an earlier one.
  void set(std::int32_t left, std::int32_t right, Value value) {
    Slot& slot = slots_[position(key(left, right))];
    slot.key = key(left, right);
    slot.value = value;
  }

  /// Returns the value of the pair; null if it has none.
  const Value* find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[position(key(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.value;
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair: ids are not negative
  struct Slot {
    std::uint64_t key = kEmpty;
    Value value{};
  };

  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  /// Returns the slot that holds the key, or the slot for it.
  std::size_t position(std::uint64_t wanted) const {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t mixed = (wanted ^ wanted >> 32) * kGolden;
    std::size_t at = (mixed >> 32) & mask;
    while (slots_[at].key != kEmpty && slots_[at].key != wanted) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace logitfield::io
