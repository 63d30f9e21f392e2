#include "io/dtype.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#ifdef __F16C__
#include <immintrin.h>
#endif

namespace logitfield::io {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read as they lie in the file: little-endian");

struct Entry {
  std::string_view name;
  std::size_t size;
};
/// In the order of DType.
constexpr std::array<Entry, 19> kEntries = {{{"F64", 8},
                                             {"F32", 4},
                                             {"F16", 2},
                                             {"BF16", 2},
                                             {"I64", 8},
                                             {"I32", 4},
                                             {"I16", 2},
                                             {"I8", 1},
                                             {"U64", 8},
                                             {"U32", 4},
                                             {"U16", 2},
                                             {"U8", 1},
                                             {"BOOL", 1},
                                             {"F8_E4M3", 1},
                                             {"F8_E5M2", 1},
                                             {"F8_E8M0", 1},
                                             {"F8_E4M3FNUZ", 1},
                                             {"F8_E5M2FNUZ", 1},
                                             {"C64", 8}}};

const Entry& entry(DType type) { return kEntries.at(static_cast<std::size_t>(type)); }

/// Element `index` of unaligned data.
template <class Bits>
Bits load(const std::byte* source, std::size_t index) {
  Bits bits;
  std::memcpy(&bits, source + index * sizeof(Bits), sizeof(Bits));
  return bits;
}

float bfloat16_value(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// Converts exactly. For NaN the result equals that of the hardware's conversion: payload kept, quiet bit set.
float half_value(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7fffU) << 13;
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  constexpr std::uint32_t rebias = 112U << 23;  // exponent bias of float32 minus that of float16
  constexpr std::uint32_t smallest_normal = 113U << 23;
  if (magnitude >= 0x7cU << 21) {
    const std::uint32_t quiet = magnitude > 0x7cU << 21 ? 1U << 22 : 0U;
    return std::bit_cast<float>(sign | 0x7f800000U | magnitude | quiet);
  }
  if (magnitude >= 1U << 23) return std::bit_cast<float>(sign | (magnitude + rebias));
  const float subnormal = std::bit_cast<float>(magnitude + smallest_normal) - std::bit_cast<float>(smallest_normal);
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

void bfloat16_to_float32(const std::byte* source, std::span<float> target) {
  for (std::size_t i = 0; i < target.size(); ++i) target[i] = bfloat16_value(load<std::uint16_t>(source, i));
}

void half_to_float32(const std::byte* source, std::span<float> target) {
  std::size_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= target.size(); i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + 2 * i));
    _mm256_storeu_ps(&target[i], _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < target.size(); ++i) target[i] = half_value(load<std::uint16_t>(source, i));
}

/// Rounds to the nearest bfloat16 number, ties to even; a NaN stays NaN.
std::uint16_t nearest_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
  return static_cast<std::uint16_t>((nan ? bits | 0x00400000U : bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// Rounds to the nearest float16 number, ties to even; a NaN stays NaN.
float nearest_half(float value) {
  const float magnitude = std::fabs(value);
  if (magnitude < 0x1p-14F) {
    // The last place of numbers in 0.5 ... 1 is that of subnormal float16 numbers.
    return std::copysign(magnitude + 0.5F - 0.5F, value);
  }
  if (!(magnitude < 65520)) return value * std::numeric_limits<float>::infinity();
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>((bits + 0xfffU + ((bits >> 13) & 1U)) & ~0x1fffU);
}

void round_to_half(std::span<float> values) {
  std::size_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= values.size(); i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(&values[i]), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_ps(&values[i], _mm256_cvtph_ps(halves));
  }
#endif
  for (; i < values.size(); ++i) values[i] = nearest_half(values[i]);
}

/// NaN and infinity are the patterns whose exponent bits are all ones.
template <class Bits>
bool any_non_finite(const std::byte* source, std::size_t count, Bits exponent) {
  Bits found = 0;
  for (std::size_t i = 0; i < count; ++i) found |= (load<Bits>(source, i) & exponent) == exponent ? Bits{1} : Bits{0};
  return found != 0;
}

template <class Bits>
std::optional<std::size_t> first_with(const std::byte* source, std::size_t count, Bits exponent) {
  constexpr std::size_t kBlock = 4096;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(count, begin + kBlock);
    if (!any_non_finite(source + begin * sizeof(Bits), end - begin, exponent)) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if ((load<Bits>(source, i) & exponent) == exponent) return i;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<DType> parse_dtype(std::string_view name) {
  const auto found = std::find_if(kEntries.begin(), kEntries.end(), [&](const Entry& e) { return e.name == name; });
  if (found == kEntries.end()) return std::nullopt;
  return static_cast<DType>(found - kEntries.begin());
}

std::string_view dtype_name(DType type) { return entry(type).name; }

std::size_t dtype_size(DType type) { return entry(type).size; }

bool is_float_weight(DType type) { return type == DType::F32 || type == DType::F16 || type == DType::BF16; }

void to_float32(DType type, const std::byte* source, std::span<float> target) {
  if (target.empty()) return;
  switch (type) {
    case DType::F32:
      std::memcpy(target.data(), source, target.size_bytes());
      return;
    case DType::F16:
      return half_to_float32(source, target);
    case DType::BF16:
      return bfloat16_to_float32(source, target);
    default:
      throw std::invalid_argument("to_float32: not F32, F16 or BF16");
  }
}

void to_bfloat16(DType type, const std::byte* source, std::span<std::uint16_t> target) {
  if (target.empty()) return;
  if (type == DType::BF16) {
    std::memcpy(target.data(), source, target.size_bytes());
    return;
  }
  constexpr std::size_t kBlock = 1024;
  std::array<float, kBlock> values;
  for (std::size_t begin = 0; begin < target.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, target.size() - begin);
    to_float32(type, source + begin * dtype_size(type), std::span(values).first(count));
    std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count),
                   target.begin() + static_cast<std::ptrdiff_t>(begin), nearest_bfloat16);
  }
}

void round_to(DType type, std::span<float> values) {
  switch (type) {
    case DType::F32:
      return;
    case DType::F16:
      return round_to_half(values);
    case DType::BF16:
      std::ranges::transform(values, values.begin(),
                             [](float value) { return bfloat16_value(nearest_bfloat16(value)); });
      return;
    default:
      throw std::invalid_argument("round_to: not F32, F16 or BF16");
  }
}

std::optional<std::size_t> first_non_finite(DType type, const std::byte* source, std::size_t count) {
  switch (type) {
    case DType::F32:
      return first_with<std::uint32_t>(source, count, 0x7f800000U);
    case DType::F16:
      return first_with<std::uint16_t>(source, count, 0x7c00U);
    case DType::BF16:
      return first_with<std::uint16_t>(source, count, 0x7f80U);
    default:
      throw std::invalid_argument("first_non_finite: not F32, F16 or BF16");
  }
}

}  // namespace logitfield::io
