#include "io/hash.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace logitfield::io {
namespace {

TEST(Hash, IsXxh3) {
  // The published value for empty input.
  EXPECT_EQ(hash_bytes({}), 0x2d06800538d394c2U);
  EXPECT_EQ(hash_text(0x0123456789abcdefU), "xxh3:0123456789abcdef");
  EXPECT_EQ(hash_text(1), "xxh3:0000000000000001");
}

TEST(Hash, PiecesHashLikeTheWhole) {
  std::vector<std::byte> bytes(10000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i % 251);
  const std::span<const std::byte> all(bytes);
  for (const std::size_t cut : {0, 1, 255, 5000, 10000}) {
    Hasher hasher;
    hasher.update(all.first(cut));
    hasher.update(all.subspan(cut));
    EXPECT_EQ(hasher.digest(), hash_bytes(all)) << cut;
  }
  const auto before = hash_bytes(all);
  bytes[7777] ^= std::byte{1};
  EXPECT_NE(hash_bytes(all), before);
}

}  // namespace
}  // namespace logitfield::io
