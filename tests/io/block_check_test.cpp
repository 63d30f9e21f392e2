#include "io/weights/block_check.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "io/safetensors_writer.hpp"
#include "io/weights/tensor_check.hpp"
#include "tests/io/refusal.hpp"
#include "tests/io/temporary_folder.hpp"

namespace logitfield::io {
namespace {

using testing::refuses;
using testing::TemporaryFolder;

constexpr std::size_t kBytes = 5 * kHashedBlock / 2;

/// A file that is mapped as one part of two blocks and a half.
struct Mapped {
  TemporaryFolder folder;
  std::filesystem::path path = folder.write("m.safetensors", std::string(kBytes, 'x'));
  MappedFile file{path};
  StoredPart part{&file, "U8", "w", {std::int64_t(kBytes)}, file.bytes()};

  BlockHashes first_reading() const {
    Hasher hasher;
    return hash_part(part, hasher);
  }
  /// In place: the mapping shows it.
  void change(std::size_t byte) const {
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(byte));
    stream.put('y');
  }
  void use(std::span<const std::uint64_t> blocks,
           std::initializer_list<std::pair<std::size_t, std::size_t>> pieces) const {
    BlockCheck check(part, blocks);
    for (const auto& [begin, size] : pieces) check.used(part.bytes.subspan(begin, size));
    check.finish();
  }
};

TEST(BlockCheck, HashesEveryBlock) {
  const Mapped m;
  const BlockHashes blocks = m.first_reading();
  ASSERT_EQ(blocks.size(), count_blocks(kBytes));
  EXPECT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[0], hash_bytes(m.part.bytes.first(kHashedBlock)));
  EXPECT_EQ(blocks[0], blocks[1]);
  EXPECT_EQ(blocks[2], hash_bytes(m.part.bytes.last(kHashedBlock / 2)));
}

TEST(BlockCheck, AChangeIsFoundInWhateverPiecesItIsUsed) {
  for (const std::size_t changed : {std::size_t{0}, kHashedBlock - 1, kHashedBlock, kBytes - 1}) {
    const Mapped m;
    const BlockHashes blocks = m.first_reading();
    EXPECT_NO_THROW(m.use(blocks, {{0, kBytes}}));
    m.change(changed);
    EXPECT_TRUE(refuses([&] { compare_all(m.part, blocks); }, {"m.safetensors", "\"w\"", "changed while"}));
    EXPECT_TRUE(refuses(
        [&] {
          m.use(blocks, {{0, 7}, {7, kHashedBlock}, {kHashedBlock + 7, kBytes - kHashedBlock - 7}});
        },
        {"m.safetensors", "changed while"}));
    EXPECT_TRUE(refuses([&] { m.use(blocks, {{changed, 1}}); }, {"changed while"}));
    EXPECT_NO_THROW(m.use({}, {{0, kBytes}})) << "nothing is compared without a first reading";
  }
}

TEST(BlockCheck, OnlyBlocksThatAreUsedAreCompared) {
  const Mapped m;
  const BlockHashes blocks = m.first_reading();
  m.change(kHashedBlock + 3);
  EXPECT_NO_THROW(m.use(blocks, {{0, kHashedBlock}, {2 * kHashedBlock, 5}, {kBytes - 3, 3}}));
  EXPECT_NO_THROW(m.use(blocks, {}));
  EXPECT_TRUE(refuses([&] { m.use(blocks, {{kHashedBlock - 1, 2}}); }, {"bytes 262144 to 524287"}));
}

}  // namespace
}  // namespace logitfield::io
