#include "io/gguf/legacy_blocks.hpp"

#include "io/gguf/block_bits.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kLegacyNumbers = 32, kHalf = kLegacyNumbers / 2;

/// Number i of 32 nibbles: the low ones of 16 bytes, then the high ones.
unsigned nibble(const std::byte* bytes, std::size_t i) {
  return i < kHalf ? byte_at(bytes, i) & 15 : byte_at(bytes, i - kHalf) >> 4;
}

/// Number i of 32 that have their fifth bit in four bytes of their own.
unsigned five_bits(const std::byte* high, const std::byte* low, std::size_t i) {
  return nibble(low, i) | (byte_at(high, i / 8) >> i % 8 & 1) << 4;
}

/// Writes scale * number(i) for every i.
template <class Number>
void scaled(float scale, float* target, const Number& number) {
  for (std::size_t i = 0; i < kLegacyNumbers; ++i) target[i] = scale * static_cast<float>(number(i));
}

/// Writes scale * number(i) + offset for every i.
template <class Number>
void scaled(float scale, float offset, float* target, const Number& number) {
  for (std::size_t i = 0; i < kLegacyNumbers; ++i) target[i] = scale * static_cast<float>(number(i)) + offset;
}

}  // namespace

void dequantise_q4_0(const std::byte* block, float* target) {
  scaled(half_at(block, 0), target, [&](std::size_t i) { return static_cast<int>(nibble(block + 2, i)) - 8; });
}

void dequantise_q4_1(const std::byte* block, float* target) {
  scaled(half_at(block, 0), half_at(block, 2), target, [&](std::size_t i) { return nibble(block + 4, i); });
}

void dequantise_q5_0(const std::byte* block, float* target) {
  scaled(half_at(block, 0), target,
         [&](std::size_t i) { return static_cast<int>(five_bits(block + 2, block + 6, i)) - 16; });
}

void dequantise_q5_1(const std::byte* block, float* target) {
  scaled(half_at(block, 0), half_at(block, 2), target,
         [&](std::size_t i) { return five_bits(block + 4, block + 8, i); });
}

void dequantise_q8_0(const std::byte* block, float* target) {
  scaled(half_at(block, 0), target, [&](std::size_t i) { return signed_byte_at(block + 2, i); });
}

}  // namespace logitfield::io
