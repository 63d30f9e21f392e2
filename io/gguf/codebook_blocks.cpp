#include "io/gguf/codebook_blocks.hpp"

#include <array>
#include <bit>

#include "io/gguf/block_bits.hpp"

namespace logitfield::io {
namespace {

using Codebook = std::array<std::int8_t, 16>;

constexpr Codebook kNonLinear = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// Twice the values of the OCP format E2M1.
constexpr Codebook kTwiceE2M1 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Writes 32 values, scaled: the low nibbles of 16 bytes, then the high ones.
void look_up(const Codebook& values, float scale, const std::byte* bytes, float* target) {
  for (std::size_t i = 0; i < 16; ++i) {
    target[i] = scale * static_cast<float>(values[byte_at(bytes, i) & 15]);
    target[16 + i] = scale * static_cast<float>(values[byte_at(bytes, i) >> 4]);
  }
}

/// Half of 2^(exponent - 127), an E8M0 number, which is a subnormal float32 for exponents 0 and 1.
float half_power(unsigned exponent) {
  return std::bit_cast<float>(exponent < 2 ? 0x00200000U << exponent : (exponent - 1) << 23);
}

}  // namespace

void dequantise_iq4_nl(const std::byte* block, float* target) {
  look_up(kNonLinear, half_at(block, 0), block + 2, target);
}

void dequantise_iq4_xs(const std::byte* block, float* target) {
  const float scale = half_at(block, 0);
  const unsigned high = byte_at(block, 2) | byte_at(block, 3) << 8;
  for (std::size_t part = 0; part < 8; ++part) {
    const unsigned low = byte_at(block, 4 + part / 2) >> part % 2 * 4 & 15;
    const int own = static_cast<int>(low | (high >> 2 * part & 3) << 4) - 32;
    look_up(kNonLinear, scale * static_cast<float>(own), block + 8 + part * 16, target + part * 32);
  }
}

void dequantise_mxfp4(const std::byte* block, float* target) {
  look_up(kTwiceE2M1, half_power(byte_at(block, 0)), block + 1, target);
}

}  // namespace logitfield::io
