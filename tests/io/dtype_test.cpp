#include "io/dtype.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace logitfield::io {
namespace {

constexpr std::size_t num_patterns = 65536;

/// A 16-bit IEEE-like value computed from its definition.
double defined_value(std::uint32_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double mantissa = bits & ((1U << mantissa_bits) - 1);
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  const double whole = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  return sign * std::ldexp(whole, std::max(exponent, 1) - bias - mantissa_bits);
}

/// All 16-bit patterns, one byte behind an aligned address.
std::vector<std::byte> shifted_patterns() {
  std::vector<std::byte> bytes(1 + 2 * num_patterns);
  for (std::size_t i = 0; i < num_patterns; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    std::memcpy(&bytes[1 + 2 * i], &bits, 2);
  }
  return bytes;
}

class SixteenBits : public ::testing::TestWithParam<std::pair<DType, int>> {};

TEST_P(SixteenBits, EveryPatternIsConvertedExactly) {
  const auto [type, mantissa_bits] = GetParam();
  const auto bytes = shifted_patterns();
  std::vector<float> together(num_patterns);
  to_float32(type, bytes.data() + 1, together);
  for (std::uint32_t i = 0; i < num_patterns; ++i) {
    float alone = 0;
    to_float32(type, bytes.data() + 1 + 2 * i, {&alone, 1});
    // The vectorised and the scalar conversion agree in every bit, NaN payloads included.
    ASSERT_EQ(std::bit_cast<std::uint32_t>(alone), std::bit_cast<std::uint32_t>(together[i])) << i;
    const double expected = defined_value(i, mantissa_bits);
    ASSERT_EQ(std::isnan(expected), std::isnan(alone)) << i;
    if (std::isnan(expected)) continue;
    ASSERT_EQ(alone, expected) << i;
    ASSERT_EQ(std::signbit(alone), std::signbit(expected)) << i;
  }
}

TEST_P(SixteenBits, FirstNonFiniteIsTheFirstPatternWithAFullExponent) {
  const auto [type, mantissa_bits] = GetParam();
  const auto bytes = shifted_patterns();
  const auto infinity = ((1U << (15 - mantissa_bits)) - 1) << mantissa_bits;
  EXPECT_EQ(first_non_finite(type, bytes.data() + 1, num_patterns), infinity);
  EXPECT_EQ(first_non_finite(type, bytes.data() + 1, infinity), std::nullopt);
  const std::size_t negative_zero = 32768;
  EXPECT_EQ(first_non_finite(type, bytes.data() + 1 + 2 * negative_zero, negative_zero), infinity);
}

INSTANTIATE_TEST_SUITE_P(Types, SixteenBits, ::testing::Values(std::pair(DType::F16, 10), std::pair(DType::BF16, 7)),
                         [](const auto& test) { return std::string(dtype_name(test.param.first)); });

TEST(Dtype, Float32IsCopied) {
  const std::vector<float> values = {0.0F, -0.0F, 1.5F, std::numeric_limits<float>::denorm_min(), -3e38F};
  std::vector<std::byte> bytes(1 + values.size() * sizeof(float));
  std::memcpy(bytes.data() + 1, values.data(), bytes.size() - 1);
  std::vector<float> read(values.size());
  to_float32(DType::F32, bytes.data() + 1, read);
  EXPECT_EQ(std::memcmp(read.data(), values.data(), bytes.size() - 1), 0);
}

float value_of(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

TEST(Dtype, Bfloat16IsCopiedBitByBit) {
  const auto bytes = shifted_patterns();
  std::vector<std::uint16_t> bits(num_patterns);
  to_bfloat16(DType::BF16, bytes.data() + 1, bits);
  for (std::uint32_t i = 0; i < num_patterns; ++i) ASSERT_EQ(bits[i], i);
}

TEST(Dtype, OthersAreRoundedToTheNearestBfloat16TiesToEven) {
  std::vector<float> values = {1,           1 + 0x1p-8F, 1 + 3 * 0x1p-8F, 1 + 0x1.01p-8F, -1 - 0x1p-8F, 3.4e38F,
                               0x1.8p-133F, -0.0F};
  const std::vector<float> expected = {1, 1, 1 + 0x1p-6F, 1 + 0x1p-7F, -1, INFINITY, 0x1p-132F, -0.0F};
  values.resize(3000, 0.3F);  // more than one conversion step takes
  std::vector<std::uint16_t> bits(values.size());
  to_bfloat16(DType::F32, reinterpret_cast<const std::byte*>(values.data()), bits);
  for (std::size_t i = 0; i + 1 < expected.size(); ++i) EXPECT_EQ(value_of(bits[i]), expected[i]) << values[i];
  EXPECT_EQ(bits[7], 0x8000);
  for (std::size_t i = expected.size(); i < bits.size(); ++i) ASSERT_EQ(bits[i], bits.back());
  EXPECT_NEAR(value_of(bits.back()), 0.3F, 0.3F / 256);
}

TEST(Dtype, HalvesAndNaNsBecomeBfloat16) {
  const auto bytes = shifted_patterns();
  std::vector<float> exact(num_patterns);
  std::vector<std::uint16_t> bits(num_patterns);
  to_float32(DType::F16, bytes.data() + 1, exact);
  to_bfloat16(DType::F16, bytes.data() + 1, bits);
  for (std::size_t i = 0; i < num_patterns; ++i) {
    const float found = value_of(bits[i]);
    ASSERT_EQ(std::isnan(found), std::isnan(exact[i])) << i;
    if (std::isfinite(exact[i])) {
      ASSERT_LE(std::abs(found - exact[i]), std::abs(exact[i]) / 256) << i;
    }
  }
}

TEST(Dtype, FirstNonFiniteFindsEveryKindAtEveryPlace) {
  constexpr std::size_t count = 10000;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::nanf(""), std::numeric_limits<float>::signaling_NaN()}) {
    for (const std::size_t place : {0, 1, 4095, 4096, 8191, 9999}) {
      std::vector<float> values(count, std::numeric_limits<float>::max());
      values[place] = bad;
      values[count - 1] = place == count - 1 ? bad : infinity;
      const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
      EXPECT_EQ(first_non_finite(DType::F32, bytes, count), place);
      EXPECT_EQ(first_non_finite(DType::F32, bytes, place), std::nullopt);
    }
  }
}

TEST(Dtype, NamesAreTheFormatsAndGoBothWays) {
  const std::vector<std::pair<const char*, std::size_t>> types = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},  {"I32", 4},     {"I16", 2},    {"I8", 1},
      {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  for (const auto& [name, size] : types) {
    const auto type = parse_dtype(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(dtype_name(*type), name);
    EXPECT_EQ(dtype_size(*type), size) << name;
    const std::string_view view = name;
    EXPECT_EQ(is_float_weight(*type), view == "F32" || view == "F16" || view == "BF16") << name;
  }
  for (const char* name : {"", "f32", "F33", "BF16 "}) EXPECT_FALSE(parse_dtype(name)) << name;
}

TEST(Dtype, RoundingIsToTheNearestNumberTiesToEven) {
  for (const DType type : {DType::F16, DType::BF16}) {
    // The non-negative numbers of a type, in order; halfway between two lies that with the even last bit.
    const std::uint16_t infinity = type == DType::F16 ? 0x7c00 : 0x7f80;
    for (std::uint16_t bits = 0; bits + 1 < infinity; ++bits) {
      const std::uint16_t pair[2] = {bits, static_cast<std::uint16_t>(bits + 1)};
      float exact[2];
      to_float32(type, reinterpret_cast<const std::byte*>(pair), exact);
      const float middle = exact[0] / 2 + exact[1] / 2;
      float values[] = {exact[0], -exact[1], std::nextafter(middle, 0.0F), std::nextafter(middle, exact[1]), middle};
      const bool has_middle = middle > exact[0] && middle < exact[1];  // not among the smallest bfloat16 numbers
      round_to(type, values);
      ASSERT_EQ(values[0], exact[0]);
      ASSERT_EQ(values[1], -exact[1]);
      if (!has_middle) continue;
      ASSERT_EQ(values[2], exact[0]) << bits;
      ASSERT_EQ(values[3], exact[1]) << bits;
      ASSERT_EQ(values[4], exact[bits % 2]) << bits;
    }
  }
  float beyond[] = {65519, 65520, -1e6F, std::numeric_limits<float>::infinity(), std::nanf("")};
  round_to(DType::F16, beyond);
  EXPECT_EQ(beyond[0], 65504);
  EXPECT_EQ(beyond[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(beyond[2], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(beyond[3], std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(beyond[4]));
}

TEST(Dtype, OtherTypesAreNotConverted) {
  const std::byte bytes[8] = {};
  float value = 0;
  EXPECT_THROW(to_float32(DType::F64, bytes, {&value, 1}), std::invalid_argument);
  std::uint16_t bits = 0;
  EXPECT_THROW(to_bfloat16(DType::F64, bytes, {&bits, 1}), std::invalid_argument);
  EXPECT_THROW(first_non_finite(DType::I32, bytes, 1), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield::io
