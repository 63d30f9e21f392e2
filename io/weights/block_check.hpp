#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace logitfield::io {

struct StoredPart;

/// XXH3 of every block of kHashedBlock bytes (the last may be shorter) of a part, or of several parts one after the
/// other, as they were when they were first read.
using BlockHashes = std::vector<std::uint64_t>;
inline constexpr std::size_t kHashedBlock = 256 << 10;

/// Number of blocks of so many bytes.
std::size_t count_blocks(std::size_t bytes);

/// The outcome of a first reading: one hash of name, type, shape and bytes, and the hashes of all blocks.
struct Fingerprint {
  std::uint64_t hash = 0;
  BlockHashes blocks = {};
};

/// Compares the bytes of a part that are used with those of its first reading. Bytes are compared after they have been
/// converted, so that a file that changes in between does not go unnoticed.
class BlockCheck {
 public:
  /// `blocks`: those of the part; if empty, there was no first reading, and nothing is compared. Both must outlive it.
  BlockCheck(const StoredPart& part, std::span<const std::uint64_t> blocks);

  /// These bytes of the part have been used. Pieces come in ascending order. The last block of a piece is compared with
  /// the next piece, or by finish().
  void used(std::span<const std::byte> piece);
  /// Must follow the last piece. Like used(), throws InputError naming file, tensor and bytes that have changed.
  void finish();

 private:
  void compare(std::size_t end_block);

  const StoredPart& part_;
  std::span<const std::uint64_t> blocks_;
  /// Blocks [next_, used_) have been used, but not compared.
  std::size_t next_ = 0, used_ = 0;
};

/// All bytes of the part have been used.
void compare_all(const StoredPart& part, std::span<const std::uint64_t> blocks);

}  // namespace logitfield::io
