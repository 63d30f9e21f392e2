#pragma once
#include <cstdint>
#include <cstring>
#include <numeric>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// Returns word `index` of an I32 tensor of any alignment.
inline std::uint32_t word(const StoredPart& part, std::int64_t index) {
  std::uint32_t bits;
  std::memcpy(&bits, part.bytes.data() + index * static_cast<std::int64_t>(sizeof bits), sizeof bits);
  return bits;
}

/// The words of a line of packed numbers: the first, and the distance of two neighbours.
struct PackedLine {
  std::int64_t first, stride;
};

/// Returns number `index` of a line. Words hold the numbers one after the other, the lowest bits first; a number may
/// begin in one word and end in the next.
inline std::uint32_t packed_number(const StoredPart& part, PackedLine line, std::int64_t index, std::int64_t bits) {
  const std::int64_t bit = index * bits, shift = bit % 32, at = line.first + bit / 32 * line.stride;
  std::uint64_t value = word(part, at);
  if (shift + bits > 32) value |= std::uint64_t{word(part, at + line.stride)} << 32;
  return static_cast<std::uint32_t>(value >> shift) & ((1U << bits) - 1);
}

/// The tensors that GPTQ and AWQ share: `scales` [groups, outputs] and the packed zero points `qzeros`
/// [groups, outputs * bits / 32] beside `qweight`.
struct PackedIntegers {
  TypedPart numbers, zeros, scales;
  std::int64_t bits, group_size;
  /// Returns the smallest number of numbers that fill whole words.
  std::int64_t numbers_together() const { return std::lcm<std::int64_t>(32, bits) / bits; }
  std::int64_t num_groups() const { return scales.shape[0]; }
};

/// Opens the tensors of a module whose qweight has this shape; throws InputError if they do not fit the request
/// [outputs, inputs].
PackedIntegers open_packed_integers(const WeightRequest& request, const FileTensor& numbers,
                                    const std::vector<std::int64_t>& shape);

}  // namespace logitfield::io
