#include "io/weights/block_check.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/hash.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

std::size_t count_blocks(std::size_t bytes) { return (bytes + kHashedBlock - 1) / kHashedBlock; }

BlockCheck::BlockCheck(const StoredPart& part, std::span<const std::uint64_t> blocks) : part_(part), blocks_(blocks) {}

void BlockCheck::used(std::span<const std::byte> piece) {
  if (piece.empty() || blocks_.empty()) return;
  const auto begin = static_cast<std::size_t>(piece.data() - part_.bytes.data());
  const std::size_t first = begin / kHashedBlock;
  if (first >= used_) {
    finish();
    next_ = first;
  }
  compare((begin + piece.size()) / kHashedBlock);
  used_ = count_blocks(begin + piece.size());
}

void BlockCheck::finish() { compare(used_); }

void BlockCheck::compare(std::size_t end_block) {
  for (; next_ < end_block; ++next_) {
    const std::size_t begin = next_ * kHashedBlock, size = std::min(kHashedBlock, part_.bytes.size() - begin);
    if (hash_bytes(part_.bytes.subspan(begin, size)) == blocks_[next_]) continue;
    throw InputError(
        "{}: changed while it was in use: bytes {} to {} of the tensor are not those that were read first; let nobody "
        "write to the file, and run again",
        part_.origin(), begin, begin + size - 1);
  }
}

void compare_all(const StoredPart& part, std::span<const std::uint64_t> blocks) {
  BlockCheck check(part, blocks);
  check.used(part.bytes);
  check.finish();
}

}  // namespace logitfield::io
