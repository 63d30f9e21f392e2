#include "io/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "io/safetensors_writer.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/small_disk.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/io/tiny_checkpoint.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

std::string with_length(std::uint64_t length, const std::string& header, const std::string& data) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
}

std::string raw(const std::string& header, std::size_t data_bytes) {
  return with_length(header.size(), header, std::string(data_bytes, '\1'));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// Whether `content` is refused as x.safetensors with every part named.
::testing::AssertionResult refused_safetensors(const std::string& content, std::vector<std::string_view> parts) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.safetensors", content);
  parts.push_back("x.safetensors");
  return refuses([&] { SafetensorsFile{path}; }, parts);
}

/// Whether one tensor "t" with this entry, over `data_bytes` of data, is refused.
::testing::AssertionResult refused_entry(const std::string& entry, std::size_t data_bytes,
                                         std::vector<std::string_view> parts) {
  parts.push_back("\"t\"");
  return refused_safetensors(raw(R"({"t":)" + entry + "}", data_bytes), parts);
}

TEST(Safetensors, HandsOutEveryTensor) {
  const TemporaryFolder folder;
  const std::string header = R"({"__metadata__":{"format":"pt"},"b":)" + entry("F32", "[2,3]", "[4,28]") + R"(,"a":)" +
                             entry("BF16", "[2]", "[0,4]") + R"(,"scalar":)" + entry("I8", "[]", "[28,29]") +
                             R"(,"none":)" + entry("F64", "[3,0]", "[4,4]") + "}   ";
  std::string data(29, '\0');
  std::iota(data.begin(), data.end(), '\0');
  const SafetensorsFile file(folder.write("x.safetensors", with_length(header.size(), header, data)));
  EXPECT_EQ(file.tensors().size(), 4U);
  const Tensor& b = file.at("b");
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.dtype, DType::F32);
  EXPECT_EQ(b.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(b.size(), 6U);
  EXPECT_EQ(b.data.front(), std::byte{4});
  EXPECT_EQ(file.at("scalar").size(), 1U);
  EXPECT_EQ(file.at("none").size(), 0U);
  EXPECT_EQ(shape_text(b.shape), "[2, 3]");
  EXPECT_TRUE(refuses([&] { file.at("c"); }, {"x.safetensors", "\"c\"", "missing"}));
}

TEST(Safetensors, AFileWithoutTensorsIsLegal) {
  const TemporaryFolder folder;
  EXPECT_TRUE(SafetensorsFile(folder.write("x.safetensors", raw("{}", 0))).tensors().empty());
}

TEST(Safetensors, RefusesAHeaderThatDoesNotFit) {
  EXPECT_TRUE(refused_safetensors("1234567", {"7 bytes"}));
  EXPECT_TRUE(refused_safetensors(with_length(3, "{}", ""), {"header of 3 bytes", "10 bytes"}));
  EXPECT_TRUE(refused_safetensors(with_length(UINT64_MAX, "{}", ""), {"18446744073709551615"}));
}

TEST(Safetensors, RefusesAHeaderOver100Megabytes) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.safetensors", with_length(100'000'001, "{}", ""));
  std::filesystem::resize_file(path, 200'000'000);
  EXPECT_TRUE(refuses([&] { SafetensorsFile{path}; }, {"x.safetensors", "100000001", "limit 100000000"}));
}

TEST(Safetensors, RefusesAHeaderThatIsNoObject) {
  EXPECT_TRUE(refused_safetensors(raw("{", 0), {"not valid JSON"}));
  EXPECT_TRUE(refused_safetensors(raw("[]", 0), {"a list", "not a JSON object"}));
  EXPECT_TRUE(refused_safetensors(raw("", 0), {"not valid JSON"}));
  EXPECT_TRUE(refused_safetensors(raw(R"({"__metadata__":{"a":1}})", 0), {"__metadata__", "object of strings"}));
  EXPECT_TRUE(refused_safetensors(raw(R"({"__metadata__":"a"})", 0), {"__metadata__", "object of strings"}));
}

TEST(Safetensors, RefusesANameThatAppearsTwice) {
  const std::string one = entry("U8", "[1]", "[0,1]");
  EXPECT_TRUE(refused_safetensors(raw(R"({"t":)" + one + R"(,"t":)" + one + "}", 1), {"\"t\"", "twice"}));
}

TEST(Safetensors, RefusesEntriesWithMissingOrOtherKeys) {
  EXPECT_TRUE(refused_entry("5", 0, {"\"dtype\""}));
  EXPECT_TRUE(refused_entry(R"({"shape":[],"data_offsets":[0,1]})", 1, {"\"dtype\""}));
  EXPECT_TRUE(refused_entry(R"({"dtype":"U8","data_offsets":[0,1]})", 1, {"\"shape\""}));
  EXPECT_TRUE(refused_entry(R"({"dtype":"U8","shape":[]})", 1, {"\"data_offsets\""}));
  EXPECT_TRUE(refused_entry(R"({"dtype":"U8","shape":[],"data_offsets":[0,1],"more":1})", 1, {"beside"}));
}

TEST(Safetensors, RefusesUnknownTypesAndImpossibleShapes) {
  EXPECT_TRUE(refused_entry(entry("F7", "[1]", "[0,1]"), 1, {"dtype", "\"F7\""}));
  EXPECT_TRUE(refused_entry(R"({"dtype":3,"shape":[],"data_offsets":[0,1]})", 1, {"dtype", "3"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[-1]", "[0,1]"), 1, {"shape", "[-1]"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[1.0]", "[0,1]"), 1, {"shape", "[1.0]"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[9223372036854775808]", "[0,1]"), 1, {"shape", "9223372036854775808"}));
  EXPECT_TRUE(refused_entry(entry("U8", "7", "[0,1]"), 1, {"shape", "7"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[4294967296,4294967296]", "[0,0]"), 0, {"4294967296", "2^64"}));
  EXPECT_TRUE(refused_entry(entry("F64", "[4611686018427387904]", "[0,0]"), 0, {"4611686018427387904", "2^64"}));
}

TEST(Safetensors, RefusesOffsetsThatDoNotFit) {
  EXPECT_TRUE(refused_entry(entry("U8", "[1]", "[1,0]"), 1, {"data_offsets", "[1, 0]"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[2]", "[0,2]"), 1, {"data_offsets", "[0, 2]", "1 data bytes"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[1]", "[0,1,1]"), 1, {"data_offsets"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[1]", "[-1,0]"), 1, {"data_offsets", "[-1,0]"}));
  EXPECT_TRUE(refused_entry(entry("U8", "[3]", "[0,2]"), 2, {"[3]", "U8", "3 bytes", "span 2"}));
}

TEST(Safetensors, RefusesOverlapsAndHoles) {
  const auto two = [](const std::string& a, const std::string& b) { return R"({"a":)" + a + R"(,"b":)" + b + "}"; };
  const std::string first = entry("U8", "[2]", "[0,2]");
  EXPECT_TRUE(refused_safetensors(raw(two(first, entry("U8", "[2]", "[1,3]")), 3), {"\"b\"", "overlap"}));
  EXPECT_TRUE(refused_safetensors(raw(two(first, first), 2), {"\"b\"", "overlap"}));
  EXPECT_TRUE(
      refused_safetensors(raw(two(first, entry("U8", "[1]", "[3,4]")), 4), {"\"b\"", "3", "ends at 2", "hole"}));
  EXPECT_TRUE(refused_safetensors(raw("{\"a\":" + first + "}", 5), {"end at data byte 2", "5"}));
  EXPECT_TRUE(refused_safetensors(raw("{\"a\":" + entry("U8", "[1]", "[1,2]") + "}", 2), {"\"a\"", "hole"}));
}

/// Damage anywhere gives an InputError or an intact file, never anything else (the sanitizers check as well).
TEST(Safetensors, SurvivesDamageAtEveryByte) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  write_safetensors(path, std::vector{testing::tensor_to_write("a", {2, 3}), testing::tensor_to_write("b", {5})});
  const std::string good = testing::content_of(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(refused_safetensors(good.substr(0, size), {})) << size;
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      folder.write("x.safetensors", bad);
      try {
        const SafetensorsFile file(path);
        EXPECT_EQ(file.tensors().size(), 2U);
      } catch (const InputError&) {
        EXPECT_LT(i, good.size() - 44) << "data bytes are not the header's business";
      }
    }
  }
}

TEST(SafetensorsWriter, WhatIsWrittenIsReadBack) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::vector tensors = {testing::tensor_to_write("a", {3, 5}, DType::BF16),
                               testing::tensor_to_write("none", {0}), testing::tensor_to_write("b", {7}, DType::F16),
                               testing::tensor_to_write("c", {2, 1, 2})};
  write_safetensors(path, tensors);
  const SafetensorsFile file(path);
  EXPECT_EQ(file.tensors().size(), tensors.size());
  for (const auto& written : tensors) {
    const Tensor& read = file.at(written.name);
    EXPECT_EQ(read.dtype, written.dtype);
    EXPECT_EQ(read.shape, written.shape);
    std::vector<float> values(read.size());
    to_float32(read.dtype, read.data.data(), values);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], testing::tiny_value(written.name, i));
  }
}

TEST(SafetensorsWriter, AsksForPiecesInOrder) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  constexpr std::size_t piece_elements = (8 << 20) / 4;
  constexpr std::size_t count = 2 * piece_elements + 5;
  std::vector<std::size_t> starts;
  const auto fill = [&](std::size_t first, std::span<std::byte> bytes) {
    EXPECT_LE(bytes.size(), 8U << 20);
    starts.push_back(first);
    for (std::size_t i = 0; i < bytes.size() / 4; ++i) {
      const auto value = static_cast<std::uint32_t>(first + i);
      std::memcpy(bytes.data() + 4 * i, &value, 4);
    }
  };
  write_safetensors(path, std::vector<TensorToWrite>{{"t", DType::U32, {static_cast<std::int64_t>(count)}, fill}});
  EXPECT_EQ(starts, (std::vector<std::size_t>{0, piece_elements, 2 * piece_elements}));
  const SafetensorsFile file(path);
  std::vector<std::uint32_t> read(count);
  ASSERT_EQ(file.at("t").data.size(), 4 * count);
  std::memcpy(read.data(), file.at("t").data.data(), 4 * count);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(read[i], i);
}

TEST(SafetensorsWriter, NamesAFullDisk) {
  const testing::SmallDisk disk;
  if (!disk.available()) GTEST_SKIP() << "mounting a small disk needs root";
  const auto path = disk.path() / "x.safetensors";
  const std::vector tensors = {testing::tensor_to_write("t", {1 << 16})};
  EXPECT_TRUE(refuses([&] { write_safetensors(path, tensors); }, {"x.safetensors", "No space left", "free space"}));
  EXPECT_TRUE(std::filesystem::is_empty(disk.path()));
}

TEST(SafetensorsWriter, RefusesShapesWithoutASize) {
  const TemporaryFolder folder;
  const std::vector tensors = {testing::tensor_to_write("t", {-1})};
  EXPECT_THROW(write_safetensors(folder.path() / "x.safetensors", tensors), std::invalid_argument);
}

}  // namespace
}  // namespace logitfield::io
