#pragma once
#include <algorithm>
#include <cstdint>

namespace logitfield::kernels {

/// Consecutive positions begin ... end - 1.
struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

/// The keys that a query sees in a causal softmax: all keys up to it, the last of these, or those of its chunk. All
/// code that masks logits uses this type. At most one of the two members is not zero.
struct Visible {
  /// Query i sees the keys i - window < j <= i.
  std::int64_t window = 0;
  /// Query i sees the keys j <= i of its own chunk: positions 0 ... chunk - 1, chunk ... 2 chunk - 1, and so on.
  std::int64_t chunk = 0;

  /// Returns the first key that query i sees; it never decreases as i grows.
  std::int64_t first_key(std::int64_t i) const {
    if (window > 0) return std::max<std::int64_t>(0, i - window + 1);
    return chunk > 0 ? i / chunk * chunk : 0;
  }
  /// Returns the last query of a context of `length` tokens that sees key j.
  std::int64_t last_query(std::int64_t j, std::int64_t length) const {
    if (window > 0) return std::min(length, j + window) - 1;
    return chunk > 0 ? std::min(length, j / chunk * chunk + chunk) - 1 : length - 1;
  }
  /// Returns the most keys that any query sees.
  std::int64_t keys(std::int64_t length) const {
    return std::min(length, window > 0 ? window : chunk > 0 ? chunk : length);
  }
  /// Returns the number of pairs of a query and a key that it sees.
  std::int64_t pairs(std::int64_t length) const {
    if (window == 0 && chunk > 0) {
      const std::int64_t rest = length % chunk;
      return length / chunk * (chunk * (chunk + 1) / 2) + rest * (rest + 1) / 2;
    }
    const std::int64_t most = keys(length);
    return most * (most + 1) / 2 + (length - most) * most;
  }
  /// Whether some key up to a query is hidden from it in a context of `length` tokens.
  bool hides(std::int64_t length) const { return keys(length) < length; }

  bool operator==(const Visible&) const = default;
};

}  // namespace logitfield::kernels
