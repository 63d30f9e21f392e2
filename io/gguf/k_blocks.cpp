#include "io/gguf/k_blocks.hpp"

#include "io/gguf/block_bits.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kNumbers = 256, kParts16 = 16, kParts8 = 8;

/// Number i of 256 pairs of bits: 128 from each 32 bytes, their lowest bits first.
unsigned two_bits(const std::byte* bytes, std::size_t i) {
  return byte_at(bytes, i / 128 * 32 + i % 32) >> i % 128 / 32 * 2 & 3;
}

/// Number i of 256 nibbles in halves of `width` bytes: their low nibbles, then their high ones.
unsigned nibble_of(const std::byte* bytes, std::size_t width, std::size_t i) {
  return byte_at(bytes, i / (2 * width) * width + i % width) >> i / width % 2 * 4 & 15;
}

/// Bit i of 256: the lowest bits of 32 bytes first.
unsigned one_bit(const std::byte* bytes, std::size_t i) { return byte_at(bytes, i % 32) >> i / 32 & 1; }

/// Scale and minimum of a part of Q4_K and Q5_K, of six bits each in 12 bytes.
struct ScaleAndMinimum {
  unsigned scale, minimum;
};
ScaleAndMinimum six_bit_pair(const std::byte* bytes, std::size_t part) {
  const std::size_t k = part % 4;
  const unsigned first = byte_at(bytes, k), second = byte_at(bytes, 4 + k), third = byte_at(bytes, 8 + k);
  if (part < 4) return {first & 63, second & 63};
  return {(third & 15) | (first >> 2 & 48), third >> 4 | (second >> 2 & 48)};
}

/// Scale of a part of Q3_K: 16 numbers of six bits in 12 bytes.
int six_bit_scale(const std::byte* bytes, std::size_t part) {
  const unsigned low = byte_at(bytes, part % 8) >> part / 8 * 4 & 15;
  const unsigned high = byte_at(bytes, 8 + part % 4) >> part / 4 * 2 & 3;
  return static_cast<int>(low | high << 4) - 32;
}

/// Writes scale * number(i) - minimum, both of the part, for Q4_K and Q5_K, which begin alike.
template <class Number>
void scaled_eighths(const std::byte* block, float* target, const Number& number) {
  const float scale = half_at(block, 0), minimum = half_at(block, 2);
  for (std::size_t part = 0; part < kParts8; ++part) {
    const ScaleAndMinimum own = six_bit_pair(block + 4, part);
    const float d = scale * static_cast<float>(own.scale), m = minimum * static_cast<float>(own.minimum);
    for (std::size_t i = part * 32; i < part * 32 + 32; ++i) target[i] = d * static_cast<float>(number(i)) - m;
  }
}

}  // namespace

void dequantise_q2_k(const std::byte* block, float* target) {
  const std::byte* numbers = block + 16;
  const float scale = half_at(block, 80), minimum = half_at(block, 82);
  for (std::size_t part = 0; part < kParts16; ++part) {
    const unsigned own = byte_at(block, part);
    const float d = scale * static_cast<float>(own & 15), m = minimum * static_cast<float>(own >> 4);
    for (std::size_t i = part * 16; i < part * 16 + 16; ++i) {
      target[i] = d * static_cast<float>(two_bits(numbers, i)) - m;
    }
  }
}

void dequantise_q3_k(const std::byte* block, float* target) {
  const std::byte *high = block, *low = block + 32, *scales = block + 96;
  const float scale = half_at(block, 108);
  for (std::size_t part = 0; part < kParts16; ++part) {
    const float d = scale * static_cast<float>(six_bit_scale(scales, part));
    for (std::size_t i = part * 16; i < part * 16 + 16; ++i) {
      const int number = static_cast<int>(two_bits(low, i) | one_bit(high, i) << 2) - 4;
      target[i] = d * static_cast<float>(number);
    }
  }
}

void dequantise_q4_k(const std::byte* block, float* target) {
  scaled_eighths(block, target, [&](std::size_t i) { return nibble_of(block + 16, 32, i); });
}

void dequantise_q5_k(const std::byte* block, float* target) {
  scaled_eighths(block, target,
                 [&](std::size_t i) { return nibble_of(block + 48, 32, i) | one_bit(block + 16, i) << 4; });
}

void dequantise_q6_k(const std::byte* block, float* target) {
  const std::byte *low = block, *high = block + 128, *scales = block + 192;
  const float scale = half_at(block, 208);
  for (std::size_t i = 0; i < kNumbers; ++i) {
    const float d = scale * static_cast<float>(signed_byte_at(scales, i / 16));
    const int number = static_cast<int>(nibble_of(low, 64, i) | two_bits(high, i) << 4) - 32;
    target[i] = d * static_cast<float>(number);
  }
}

}  // namespace logitfield::io
