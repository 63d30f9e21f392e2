// The two halves of a latent map, joined.
#include <gtest/gtest.h>

#include <cmath>

#include "io/weights/gguf_weight.hpp"
#include "io/weights/tensor_check.hpp"
#include "tests/io/gguf_builder.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::GgufBuilder;
using testing::refuses;
using testing::TemporaryFolder;

constexpr std::uint32_t kF32Type = 0, kQ80Type = 8;
constexpr std::int64_t kNumHeads = 3, kLatents = 64, kKeys = 32, kValues = 5;
constexpr const char* kWhole = "blk.0.attn_kv_b.weight";
constexpr const char* kKeyHalf = "blk.0.attn_k_b.weight";
constexpr const char* kValueHalf = "blk.0.attn_v_b.weight";

/// The number of a head's key or value row at a latent; small integers, which blocks of scale 1 hold exactly.
int latent_number(std::int64_t h, std::int64_t row, std::int64_t latent) {
  return static_cast<int>((h * 41 + row * 7 + latent * 3) % 255) - 127;
}

std::string float_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// attn_k_b, whose rows are latents, as Q8_0 blocks of scale 1.
std::string key_half() {
  std::string out;
  for (std::int64_t h = 0; h < kNumHeads; ++h) {
    for (std::int64_t latent = 0; latent < kLatents; ++latent) {
      out += std::string("\0\x3c", 2);
      for (std::int64_t key = 0; key < kKeys; ++key) out += static_cast<char>(latent_number(h, key, latent));
    }
  }
  return out;
}

std::vector<float> value_half() {
  std::vector<float> out;
  for (std::int64_t h = 0; h < kNumHeads; ++h) {
    for (std::int64_t value = 0; value < kValues; ++value) {
      for (std::int64_t latent = 0; latent < kLatents; ++latent) {
        out.push_back(static_cast<float>(latent_number(h, kKeys + value, latent)));
      }
    }
  }
  return out;
}

GgufBuilder with_keys() { return GgufBuilder().tensor(kKeyHalf, {kKeys, kLatents, kNumHeads}, kQ80Type, key_half()); }

GgufBuilder with_both(const std::vector<float>& values = value_half()) {
  return with_keys().tensor(kValueHalf, {kLatents, kValues, kNumHeads}, kF32Type, float_bytes(values));
}

class GgufLatentWeights : public ::testing::Test {
 protected:
  std::unique_ptr<StoredWeight> open(const GgufBuilder& builder,
                                     std::vector<std::int64_t> shape = {kNumHeads * (kKeys + kValues), kLatents}) {
    model.emplace(folder.write("x.gguf", builder.build()));
    return open_gguf_weight(*model, kWhole, shape);
  }

  TemporaryFolder folder;
  std::optional<GgufModel> model;
};

TEST_F(GgufLatentWeights, RowsAreKeysAndValuesOfEachHead) {
  const auto weight = open(with_both());
  ASSERT_TRUE(weight);
  const std::int64_t rows = weight->num_rows(), per_head = kKeys + kValues;
  for (const Slice r : {Slice{0, rows}, Slice{30, 45}, Slice{rows - 1, rows}, Slice{7, 7}}) {
    for (const Slice k : {Slice{0, kLatents}, Slice{5, 40}, Slice{63, 64}}) {
      weight->prefetch(r, k);
      std::vector<float> values(static_cast<std::size_t>(r.size() * k.size()));
      weight->read(r, k, std::span(values));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::int64_t row = r.begin + static_cast<std::int64_t>(i) / k.size();
        const std::int64_t latent = k.begin + static_cast<std::int64_t>(i) % k.size();
        ASSERT_EQ(values[i], static_cast<float>(latent_number(row / per_head, row % per_head, latent)));
      }
    }
  }
}

TEST_F(GgufLatentWeights, BothHalvesAreHashedAndWatched) {
  const std::uint64_t hash = open(with_both())->check_and_hash().hash;
  std::vector<float> changed = value_half();
  changed.back() += 1;
  EXPECT_NE(open(with_both(changed))->check_and_hash().hash, hash);
  const auto weight = open(with_both());
  EXPECT_EQ(weight->check_and_hash().hash, hash);
  weight->expect(weight->check_and_hash().blocks);
  folder.write("x.gguf", with_both(changed).build());
  std::vector<float> row(kLatents);
  EXPECT_TRUE(refuses([&] { weight->read({0, 1}, {0, kLatents}, std::span(row)); }, {kValueHalf, "changed while"}));
}

TEST_F(GgufLatentWeights, NumbersThatAreNotFiniteAreNamedWithTheirHalf) {
  std::vector<float> values = value_half();
  values[(2 * kValues + 3) * kLatents + 9] = NAN;
  EXPECT_TRUE(refuses([&] { open(with_both(values))->check_and_hash(); },
                      {"x.gguf", kValueHalf, "nan", "[head, row, column] = [2, 3, 9]"}));
  std::string keys = key_half();
  keys.replace((kLatents + 4) * 34, 2, "\0\x7e", 2);
  const GgufBuilder damaged =
      GgufBuilder()
          .tensor(kKeyHalf, {kKeys, kLatents, kNumHeads}, kQ80Type, keys)
          .tensor(kValueHalf, {kLatents, kValues, kNumHeads}, kF32Type, float_bytes(value_half()));
  EXPECT_TRUE(refuses([&] { open(damaged)->check_and_hash(); },
                      {"x.gguf", kKeyHalf, "nan", "[head, row, column] = [1, 4, 0]"}));
}

TEST_F(GgufLatentWeights, WhatDoesNotFitIsRefused) {
  EXPECT_FALSE(open(GgufBuilder()));
  EXPECT_TRUE(refuses([&] { open(with_keys()); }, {"x.gguf", kValueHalf, kKeyHalf, "download"}));
  EXPECT_TRUE(refuses([&] { open(with_both(), {100, kLatents}); }, {"x.gguf", kKeyHalf, "[3, 64, 32]", kValueHalf}));
  const GgufBuilder unknown = with_keys().tensor(kValueHalf, {256, kValues, kNumHeads}, 16, std::string(66 * 15, '\0'));
  EXPECT_TRUE(refuses([&] { open(unknown); }, {"x.gguf", kValueHalf, "IQ2_XXS", "another quantisation"}));
}

}  // namespace
}  // namespace logitfield::io
