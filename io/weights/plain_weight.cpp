#include "io/weights/plain_weight.hpp"

#include <algorithm>

#include "io/hash.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

void convert(DType type, const std::byte* source, std::span<float> target) { to_float32(type, source, target); }
void convert(DType type, const std::byte* source, std::span<std::uint16_t> target) {
  to_bfloat16(type, source, target);
}

/// Converts some columns of whole rows of `width` elements.
template <class Number>
void convert(DType type, std::span<const std::byte> bytes, std::size_t width, Slice columns, std::span<Number> target) {
  const auto length = static_cast<std::size_t>(columns.size());
  if (length == width) return convert(type, bytes.data(), target);
  const std::byte* source = bytes.data() + static_cast<std::size_t>(columns.begin) * dtype_size(type);
  for (std::size_t begin = 0; begin < target.size(); begin += length, source += width * dtype_size(type)) {
    convert(type, source, target.subspan(begin, length));
  }
}

}  // namespace

PlainWeight::PlainWeight(StoredPart part, DType type, std::vector<std::int64_t> shape)
    : StoredWeight({std::move(part)}, std::move(shape)), type_(type) {}

std::span<const std::byte> PlainWeight::row_bytes(Slice rows) const {
  const std::size_t width = static_cast<std::size_t>(num_columns()) * dtype_size(type_);
  return parts().front().bytes.subspan(static_cast<std::size_t>(rows.begin) * width,
                                       static_cast<std::size_t>(rows.size()) * width);
}

template <class Number>
void PlainWeight::read_pieces(Slice rows, Slice columns, std::span<Number> target) const {
  // Reads piece by piece, so that at most one piece is mapped.
  constexpr std::int64_t kPieceBytes = 4 << 20;
  require_inside(rows, columns, target.size());
  const auto width = static_cast<std::size_t>(num_columns());
  const auto row_size = static_cast<std::int64_t>(width * dtype_size(type_));
  const std::int64_t piece_rows = std::max<std::int64_t>(1, kPieceBytes / std::max<std::int64_t>(1, row_size));
  BlockCheck check(parts().front(), blocks_of(0));
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += piece_rows) {
    const Slice piece{begin, std::min(begin + piece_rows, rows.end)};
    const auto first = static_cast<std::size_t>((begin - rows.begin) * columns.size());
    const auto count = static_cast<std::size_t>(piece.size() * columns.size());
    const auto bytes = row_bytes(piece);
    convert(type_, bytes, width, columns, target.subspan(first, count));
    check.used(bytes);
    release_pages(bytes);
  }
  check.finish();
}

void PlainWeight::read(Slice rows, Slice columns, std::span<float> target) const { read_pieces(rows, columns, target); }

void PlainWeight::read(Slice rows, Slice columns, std::span<std::uint16_t> target) const {
  read_pieces(rows, columns, target);
}

void PlainWeight::prefetch(Slice rows, Slice) const { parts().front().file->prefetch(row_bytes(rows)); }

Fingerprint PlainWeight::check_and_hash() const {
  Hasher hasher;
  const std::string_view axes = shape().size() == 1 ? "row" : "row, column";
  BlockHashes blocks = io::check_and_hash(parts().front(), type_, axes, Finite::required, hasher);
  return {hasher.digest(), std::move(blocks)};
}

}  // namespace logitfield::io
