#include "io/weights/gguf_weight.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/io/gguf_builder.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::GgufBuilder;
using testing::refuses;
using testing::TemporaryFolder;

constexpr std::uint32_t kPlain = 0, kQ80 = 8, kIq2 = 16;

/// Rows of Q8_0 blocks: scale 1 (2 in the second block of a row), numbers -64, -63, ...
std::string q8_rows(int rows, int blocks) {
  std::string out;
  char next = -64;
  for (int row = 0; row < rows; ++row) {
    for (int block = 0; block < blocks; ++block) {
      out += block == 1 ? std::string("\0\x40", 2) : std::string("\0\x3c", 2);
      for (int i = 0; i < 32; ++i) out += next++;
    }
  }
  return out;
}

class GgufWeights : public ::testing::Test {
 protected:
  std::unique_ptr<StoredWeight> open(const GgufBuilder& builder, const std::string& name,
                                     const std::vector<std::int64_t>& shape) {
    model.emplace(folder.write("x.gguf", builder.build()));
    return open_gguf_weight(*model, name, shape);
  }

  TemporaryFolder folder;
  std::optional<GgufModel> model;
};

std::vector<float> block_of(const StoredWeight& weight, Slice rows, Slice columns) {
  std::vector<float> out(static_cast<std::size_t>(rows.size() * columns.size()));
  weight.read(rows, columns, std::span<float>(out));
  return out;
}

TEST_F(GgufWeights, AnyBlockIsPartOfTheWhole) {
  const auto weight = open(GgufBuilder().tensor("m.weight", {96, 3}, kQ80, q8_rows(3, 3)), "m.weight", {3, 96});
  ASSERT_TRUE(weight);
  const std::vector<float> all = block_of(*weight, {0, 3}, {0, 96});
  EXPECT_EQ(all[0], -64);
  EXPECT_EQ(all[32], -64) << "scale 2, number -32";
  for (const Slice rows : {Slice{0, 3}, Slice{1, 2}, Slice{2, 2}}) {
    for (const Slice columns : {Slice{0, 96}, Slice{5, 6}, Slice{30, 70}, Slice{64, 96}, Slice{32, 64}}) {
      const std::vector<float> part = block_of(*weight, rows, columns);
      for (std::int64_t r = 0; r < rows.size(); ++r) {
        for (std::int64_t c = 0; c < columns.size(); ++c) {
          EXPECT_EQ(part[r * columns.size() + c], all[(rows.begin + r) * 96 + columns.begin + c]);
        }
      }
    }
  }
  EXPECT_EQ(weight->num_bytes(), 3 * 3 * 34);
}

TEST_F(GgufWeights, AStackIsTakenApart) {
  const GgufBuilder builder = GgufBuilder().tensor("e.weight", {32, 2, 3}, kQ80, q8_rows(6, 1));
  const auto second = open(builder, "e[1].weight", {2, 32});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name(), "e.weight");
  EXPECT_EQ(block_of(*second, {0, 1}, {0, 1}).front(), 0) << "the third row of the file";
  EXPECT_TRUE(refuses([&] { open(builder, "e[3].weight", {2, 32}); }, {"x.gguf", "e.weight", "[3, 2, 32]", "part 3"}));
}

TEST_F(GgufWeights, VectorsArePlainNumbers) {
  std::vector<float> values(5);
  std::iota(values.begin(), values.end(), 1.0F);
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 20);
  const auto weight = open(GgufBuilder().tensor("v.weight", {5}, kPlain, bytes), "v.weight", {5});
  EXPECT_EQ(block_of(*weight, {1, 4}, {0, 1}), (std::vector<float>{2, 3, 4}));
  EXPECT_TRUE(refuses([&] { open(GgufBuilder().tensor("v.weight", {32}, kQ80, q8_rows(1, 1)), "v.weight", {32}); },
                      {"x.gguf", "v.weight", "Q8_0", "vectors"}));
}

TEST_F(GgufWeights, WhatDoesNotFitIsRefused) {
  const GgufBuilder builder =
      GgufBuilder().tensor("m.weight", {256, 1}, kIq2, std::string(66, '\0')).tensor("n.weight", {1}, kPlain, "abcd");
  EXPECT_FALSE(open(builder, "other.weight", {1, 256}));
  EXPECT_TRUE(refuses([&] { open(builder, "m.weight", {1, 256}); }, {"m.weight", "IQ2_XXS", "another quantisation"}));
  EXPECT_TRUE(refuses([&] { open(builder, "n.weight", {2}); }, {"n.weight", "[1]", "[2]"}));
}

TEST_F(GgufWeights, AScaleThatIsNoNumberIsFound) {
  std::string bytes = q8_rows(2, 1);
  bytes.replace(34, 2, "\0\x7e", 2);
  const auto weight = open(GgufBuilder().tensor("m.weight", {32, 2}, kQ80, bytes), "m.weight", {2, 32});
  EXPECT_TRUE(refuses([&] { weight->check_and_hash(); }, {"x.gguf", "m.weight", "nan", "[row, column] = [1, 0]"}));
}

TEST_F(GgufWeights, ANumberThatIsNotFiniteIsNamedWithItsExpert) {
  std::string bytes = q8_rows(6, 1);
  bytes.replace(3 * 34, 2, "\0\x7e", 2);
  const auto expert = open(GgufBuilder().tensor("e.weight", {32, 2, 3}, kQ80, bytes), "e[1].weight", {2, 32});
  EXPECT_TRUE(
      refuses([&] { expert->check_and_hash(); }, {"x.gguf", "e.weight", "nan", "[expert, row, column] = [1, 1, 0]"}));
  std::vector<float> values(6, 1.0F);
  values[3] = INFINITY;
  const std::string plain(reinterpret_cast<const char*>(values.data()), 24);
  const auto head = open(GgufBuilder().tensor("n.weight", {2, 3}, kPlain, plain), "n[1].weight", {2});
  EXPECT_TRUE(refuses([&] { head->check_and_hash(); }, {"x.gguf", "n.weight", "inf", "[head, row] = [1, 1]"}));
  values[3] = 1, values[5] = NAN;
  const std::string matrices(reinterpret_cast<const char*>(values.data()), 24);
  const auto whole = open(GgufBuilder().tensor("p.weight", {1, 2, 3}, kPlain, matrices), "p[2].weight", {2, 1});
  EXPECT_TRUE(refuses([&] { whole->check_and_hash(); }, {"p.weight", "nan", "[expert, row, column] = [2, 1, 0]"}));
}

TEST_F(GgufWeights, PartsAreOneModel) {
  const auto part = [](std::uint32_t count, const char* name) {
    return GgufBuilder()
        .raw_value("split.tensors.count", 5, GgufBuilder::number(count))
        .tensor(name, {1}, kPlain, "abcd");
  };
  const auto first = folder.write("m-00001-of-00002.gguf", part(2, "a.weight").build());
  folder.write("m-00002-of-00002.gguf", part(2, "b.weight").build());
  const GgufModel both(first);
  EXPECT_EQ(both.tensors().size(), 2U);
  EXPECT_EQ(both.find("b.weight")->file->path().filename(), "m-00002-of-00002.gguf");
  folder.write("m-00002-of-00002.gguf", part(2, "a.weight").build());
  EXPECT_TRUE(refuses([&] { GgufModel{first}; }, {"a.weight", "m-00001-of-00002.gguf"}));
  folder.write("m-00001-of-00002.gguf", part(3, "b.weight").build());
  EXPECT_TRUE(refuses([&] { GgufModel{first}; }, {"split.tensors.count", "is 3", "2 tensors"}));
}

}  // namespace
}  // namespace logitfield::io
