#pragma once
#include <cstdint>

namespace logitfield::io {

/// A half-open range of rows or columns.
struct Slice {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
  bool contains(std::int64_t i) const { return begin <= i && i < end; }
};

}  // namespace logitfield::io
