#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace logitfield::io {

struct StoredPart;

/// XXH3 of every block of kHashedBlock bytes (the last may be shorter) of a part, or of several parts one after the
/// other, at their first reading.
using BlockHashes = std::vector<std::uint64_t>;
inline constexpr std::size_t kHashedBlock = 256 << 10;

/// Returns the number of blocks in this many bytes.
std::size_t count_blocks(std::size_t bytes);

/// The outcome of a first reading: one hash of name, type, shape and bytes, and the hashes of all blocks.
struct Fingerprint {
  std::uint64_t hash = 0;
  BlockHashes blocks = {};
};

/// Compares the bytes of a part, as they are used, with its first reading. Bytes are compared after they have been
/// converted, so that a change of the file in between is noticed.
class BlockCheck {
 public:
  /// `blocks`: the hashes of the part. If they are empty, there was no first reading, and nothing is compared. Both
  /// must outlive the check.
  BlockCheck(const StoredPart& part, std::span<const std::uint64_t> blocks);

  /// Notes that these bytes of the part have been used. Pieces come in ascending order. The last block of a piece is
  /// compared together with the next piece, or by finish().
  void used(std::span<const std::byte> piece);
  /// Compares the rest; call it after the last piece. Like used(), it throws InputError naming file, tensor and the
  /// bytes that have changed.
  void finish();

 private:
  void compare(std::size_t end_block);

  const StoredPart& part_;
  std::span<const std::uint64_t> blocks_;
  /// Blocks [next_, used_) have been used, but not compared.
  std::size_t next_ = 0, used_ = 0;
};

/// Compares all bytes of the part.
void compare_all(const StoredPart& part, std::span<const std::uint64_t> blocks);

}  // namespace logitfield::io
