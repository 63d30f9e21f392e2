#include "io/weights/tensor_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

void hash_text_into(Hasher& hasher, const std::string& text) { hasher.update(std::as_bytes(std::span(text))); }

}  // namespace

std::vector<std::int64_t> unravel(std::size_t element, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::size_t>(shape[axis]);
    index[axis] = static_cast<std::int64_t>(element % size);
    element /= size;
  }
  return index;
}

void refuse_not_finite(const StoredPart& part, float value, std::string_view axes,
                       const std::vector<std::int64_t>& index) {
  std::vector<std::int64_t> full = index;
  std::string stack;
  if (part.place) {
    full.insert(full.begin(), *part.place);
    stack = part.shape.size() == 2 ? "expert, " : "head, ";
  }
  throw NotFiniteError(fmt::format("{} holds {} at [{}{}] = {}; repair the file or take another", part.origin(), value,
                                   stack, axes, shape_text(full)),
                       part.name, full, value);
}

void require_finite(const StoredPart& part, DType type, std::size_t first, std::size_t count, std::string_view axes) {
  const std::size_t width = dtype_size(type);
  const auto found = first_non_finite(type, part.bytes.data() + first * width, count);
  if (!found) return;
  const std::size_t element = first + *found;
  float value = 0;
  to_float32(type, part.bytes.data() + element * width, {&value, 1});
  refuse_not_finite(part, value, axes, unravel(element, part.shape));
}

void require_finite(const SafetensorsFile& file, const Tensor& tensor, std::size_t first, std::size_t count,
                    std::string_view axes) {
  require_finite(part_of(file, tensor), tensor.dtype, first, count, axes);
}

BlockHashes hash_part(const StoredPart& part, Hasher& hasher,
                      const std::function<void(std::size_t begin, std::size_t count)>& visit) {
  constexpr std::size_t kPieceBytes = 16 * kHashedBlock;
  BlockHashes blocks;
  hash_text_into(hasher, fmt::format("{} {} {}\n", part.type, shape_text(part.shape), part.name));
  for (std::size_t begin = 0; begin < part.bytes.size(); begin += kPieceBytes) {
    const auto piece = part.bytes.subspan(begin, std::min(kPieceBytes, part.bytes.size() - begin));
    part.file->prefetch(part.bytes.subspan(begin, std::min(2 * kPieceBytes, part.bytes.size() - begin)));
    if (visit) visit(begin, piece.size());
    hasher.update(piece);
    for (std::size_t block = 0; block < piece.size(); block += kHashedBlock) {
      blocks.push_back(hash_bytes(piece.subspan(block, std::min(kHashedBlock, piece.size() - block))));
    }
    part.file->release(piece);
  }
  return blocks;
}

BlockHashes check_and_hash(const StoredPart& part, DType type, std::string_view axes, Finite finite, Hasher& hasher) {
  const std::size_t width = dtype_size(type);
  return hash_part(part, hasher, [&](std::size_t begin, std::size_t count) {
    if (finite == Finite::required) require_finite(part, type, begin / width, count / width, axes);
  });
}

BlockHashes check_and_hash(const SafetensorsFile& file, const Tensor& tensor, std::string_view axes, Finite finite,
                           Hasher& hasher) {
  return check_and_hash(part_of(file, tensor), tensor.dtype, axes, finite, hasher);
}

StoredPart part_of(const SafetensorsFile& file, const Tensor& tensor) {
  return {&file.file(), std::string(dtype_name(tensor.dtype)), tensor.name, tensor.shape, tensor.data};
}

}  // namespace logitfield::io
