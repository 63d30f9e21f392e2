#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "io/dtype.hpp"

namespace logitfield::io {

/// A storage format of numbers in GGUF files: blocks of `numbers` numbers that take `bytes` bytes.
struct BlockType {
  std::uint32_t id;
  std::string_view name;
  std::size_t numbers, bytes;
  /// Reads one block of a quantised type; null for other types.
  void (*dequantise)(const std::byte* block, float* target) = nullptr;
  /// The element type of blocks of one number; empty for quantised types.
  std::optional<DType> plain = {};

  /// Tells whether dequantise() below reads this type.
  bool is_readable() const { return dequantise != nullptr || plain.has_value(); }
};

/// Returns the type with this id; null if there is none.
const BlockType* find_block_type(std::uint32_t id);

/// Reads whole blocks as float32, each number bit for bit as the reference, the Python package `gguf`, computes it.
/// `target` holds a multiple of type.numbers numbers; type.is_readable().
void dequantise(const BlockType& type, const std::byte* source, std::span<float> target);

}  // namespace logitfield::io
