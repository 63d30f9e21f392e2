#pragma once
#include <cstddef>
#include <cstdint>

#include "io/dtype.hpp"

// Access to bytes and scales of quantised blocks.
namespace logitfield::io {

/// Returns the byte at a place of a block, from 0 to 255.
inline unsigned byte_at(const std::byte* block, std::size_t index) { return std::to_integer<unsigned>(block[index]); }

/// Returns the same byte as a number from -128 to 127.
inline int signed_byte_at(const std::byte* block, std::size_t index) {
  return static_cast<std::int8_t>(byte_at(block, index));
}

/// Returns the float16 number at a place of a block.
inline float half_at(const std::byte* block, std::size_t offset) {
  float value = 0;
  to_float32(DType::F16, block + offset, {&value, 1});
  return value;
}

}  // namespace logitfield::io
