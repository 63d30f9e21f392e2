#pragma once
#include <cstdint>
#include <cstring>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// Returns word `index` of an I32 tensor of any alignment.
inline std::uint32_t word(const StoredPart& part, std::int64_t index) {
  std::uint32_t bits;
  std::memcpy(&bits, part.bytes.data() + index * static_cast<std::int64_t>(sizeof bits), sizeof bits);
  return bits;
}

/// The tensors that GPTQ and AWQ share: `scales` [groups, outputs] and the packed zero points `qzeros`
/// [groups, outputs / numbers a word] beside `qweight`.
struct PackedIntegers {
  TypedPart numbers, zeros, scales;
  std::int64_t bits, group_size;
  /// Returns how many numbers a 32-bit word holds.
  std::int64_t word_numbers() const { return 32 / bits; }
  std::int64_t num_groups() const { return scales.shape[0]; }
};

/// Opens the tensors of a module whose qweight has this shape; throws InputError if they do not fit the request
/// [outputs, inputs].
PackedIntegers open_packed_integers(const WeightRequest& request, const FileTensor& numbers,
                                    const std::vector<std::int64_t>& shape);

}  // namespace logitfield::io
