// Numbers are compared with those of the Python package `gguf`: tests/development/make_gguf_blocks.py.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "io/gguf/block_types.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

const nlohmann::json& recorded_blocks() {
  static const nlohmann::json all = read_json(GGUF_RECORDS "/blocks.json");
  return all;
}

const BlockType* type_named(const std::string& name) {
  for (std::uint32_t id = 0; id < 64; ++id) {
    if (const BlockType* type = find_block_type(id); type && type->name == name) return type;
  }
  return nullptr;
}

std::vector<std::uint16_t> finite_halves() {
  std::vector<std::uint16_t> out;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00) != 0x7C00) out.push_back(static_cast<std::uint16_t>(bits));
  }
  return out;
}

/// Bytes of a SplitMix64 sequence.
std::vector<std::byte> random_bytes(std::size_t count) {
  std::vector<std::uint64_t> words((count + 7) / 8);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t state = (i + 1) * 0x9E3779B97F4A7C15;
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9;
    state = (state ^ state >> 27) * 0x94D049BB133111EB;
    words[i] = state ^ state >> 31;
  }
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<std::byte> blocks_of(const BlockType& type, const std::vector<std::size_t>& halves) {
  const std::vector<std::uint16_t> finite = finite_halves();
  std::vector<std::byte> blocks = random_bytes(finite.size() * type.bytes);
  for (std::size_t k = 0; k < halves.size(); ++k) {
    for (std::size_t i = 0; i < finite.size(); ++i) {
      const std::uint16_t bits = finite[(i + finite.size() - 12345 * k) % finite.size()];
      std::memcpy(blocks.data() + i * type.bytes + halves[k], &bits, sizeof(bits));
    }
  }
  return blocks;
}

class GgufBlocks : public ::testing::TestWithParam<std::string> {};

TEST_P(GgufBlocks, GiveTheRecordedNumbersBitForBit) {
  const BlockType* type = type_named(GetParam());
  ASSERT_TRUE(type && type->is_readable());
  const auto& recorded = recorded_blocks().at(GetParam());
  const auto blocks = blocks_of(*type, recorded.at("halves").get<std::vector<std::size_t>>());
  std::vector<float> values(blocks.size() / type->bytes * type->numbers);
  dequantise(*type, blocks.data(), values);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(values[20000 * type->numbers + i], recorded.at("first")[i].get<float>()) << i;
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += std::bit_cast<std::uint32_t>(values[i]) * (2 * i + 1);
  EXPECT_EQ(fmt::format("{:016x}", sum), recorded.at("checksum").get<std::string>());
}

std::vector<std::string> recorded_kinds() {
  std::vector<std::string> kinds;
  for (const auto& [kind, values] : recorded_blocks().items()) kinds.push_back(kind);
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(All, GgufBlocks, ::testing::ValuesIn(recorded_kinds()),
                         [](const auto& instance) { return instance.param; });

TEST(GgufBlockTypes, EveryQuantisedTypeThatIsReadIsRecorded) {
  std::size_t quantised = 0;
  for (std::uint32_t id = 0; id < 64; ++id) {
    const BlockType* type = find_block_type(id);
    if (!type || !type->dequantise) continue;
    EXPECT_TRUE(recorded_blocks().contains(type->name)) << type->name;
    ++quantised;
  }
  EXPECT_EQ(quantised, recorded_blocks().size());
}

TEST(GgufBlockTypes, PlainNumbersAreThoseOfSafetensors) {
  const std::vector<std::byte> bytes = {std::byte{0x80}, std::byte{0x3F}};
  float value = 0;
  dequantise(*type_named("BF16"), bytes.data(), {&value, 1});
  EXPECT_EQ(value, 1);
  EXPECT_FALSE(type_named("I32")->is_readable());
  EXPECT_EQ(find_block_type(5), nullptr);
}

}  // namespace
}  // namespace logitfield::io
