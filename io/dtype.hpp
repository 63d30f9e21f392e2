#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace logitfield::io {

/// Element types of the safetensors format that take whole bytes. Weights and captures have F32, F16 or BF16; the other
/// types occur in parts of quantised weights (io/weights).
enum class DType {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  U64,
  U32,
  U16,
  U8,
  BOOL,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  C64
};

/// Maps "BF16" to DType::BF16; returns nothing if the format has no type of that name.
std::optional<DType> parse_dtype(std::string_view name);
std::string_view dtype_name(DType type);
/// Returns the bytes per element.
std::size_t dtype_size(DType type);
/// Tells whether to_float32 reads this type: F32, F16 or BF16.
bool is_float_weight(DType type);

/// Converts target.size() little-endian elements. The conversion is exact: every F16 and BF16 value is a float32 value.
/// `source` holds target.size() * dtype_size(type) bytes of any alignment. Throws std::invalid_argument for other
/// types.
void to_float32(DType type, const std::byte* source, std::span<float> target);

/// Converts to the bits of bfloat16 numbers: BF16 unchanged, others rounded to nearest, ties to even; NaN stays NaN.
void to_bfloat16(DType type, const std::byte* source, std::span<std::uint16_t> target);

/// Rounds to the nearest numbers of an is_float_weight type, ties to even; numbers beyond its largest become infinite.
void round_to(DType type, std::span<float> values);

/// Returns the index of the first NaN or infinity among `count` elements of an is_float_weight type.
std::optional<std::size_t> first_non_finite(DType type, const std::byte* source, std::size_t count);

}  // namespace logitfield::io
