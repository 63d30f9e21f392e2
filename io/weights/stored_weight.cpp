#include "io/weights/stored_weight.hpp"

#include <stdexcept>

#include "io/json.hpp"
#include "io/safetensors.hpp"

namespace logitfield::io {

std::string StoredPart::origin() const { return file->path().string() + ": tensor " + excerpt(name); }

StoredWeight::StoredWeight(std::vector<StoredPart> parts, std::vector<std::int64_t> shape)
    : parts_(std::move(parts)), shape_(std::move(shape)) {
  if (parts_.empty() || shape_.empty() || shape_.size() > 2) {
    throw std::invalid_argument("StoredWeight: there is no part, or the shape is neither a vector nor a matrix");
  }
}

std::uint64_t StoredWeight::num_bytes() const {
  std::uint64_t bytes = 0;
  for (const StoredPart& part : parts_) bytes += part.bytes.size();
  return bytes;
}

void StoredWeight::expect(BlockHashes blocks) {
  std::size_t count = 0;
  for (const StoredPart& part : parts_) count += count_blocks(part.bytes.size());
  if (blocks.size() != count) throw std::invalid_argument("StoredWeight: not the blocks of tensor " + name());
  blocks_ = std::move(blocks);
}

std::span<const std::uint64_t> StoredWeight::blocks_of(std::size_t i) const {
  if (blocks_.empty()) return {};
  std::size_t first = 0;
  for (std::size_t before = 0; before < i; ++before) first += count_blocks(parts_[before].bytes.size());
  return std::span(blocks_).subspan(first, count_blocks(parts_[i].bytes.size()));
}

void StoredWeight::release() const {
  for (const StoredPart& part : parts_) part.file->release(part.bytes);
}

void StoredWeight::release_pages(std::span<const std::byte> bytes) const {
  constexpr std::size_t kWorthReleasing = 64 << 10;
  if (bytes.size() > kWorthReleasing) parts_.front().file->release(bytes);
}

void StoredWeight::require_inside(Slice rows, Slice columns, std::size_t size) const {
  const auto fits = [](Slice s, std::int64_t limit) { return 0 <= s.begin && s.begin <= s.end && s.end <= limit; };
  if (!fits(rows, num_rows()) || !fits(columns, num_columns()) ||
      static_cast<std::size_t>(rows.size() * columns.size()) != size) {
    throw std::invalid_argument("StoredWeight: block and target do not fit tensor " + name() + " " +
                                shape_text(shape_));
  }
}

}  // namespace logitfield::io
