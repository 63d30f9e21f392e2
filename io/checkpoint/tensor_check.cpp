#include "io/checkpoint/tensor_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "io/error.hpp"
#include "io/json.hpp"

namespace logitfield::io {
namespace {

/// Position of an element along every axis.
std::vector<std::int64_t> unravel(std::size_t element, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    const auto size = static_cast<std::size_t>(shape[axis]);
    index[axis] = static_cast<std::int64_t>(element % size);
    element /= size;
  }
  return index;
}

void hash_text_into(Hasher& hasher, const std::string& text) { hasher.update(std::as_bytes(std::span(text))); }

}  // namespace

void require_finite(const SafetensorsFile& file, const Tensor& tensor, std::size_t first, std::size_t count,
                    std::string_view axes) {
  const std::size_t width = dtype_size(tensor.dtype);
  const auto found = first_non_finite(tensor.dtype, tensor.data.data() + first * width, count);
  if (!found) return;
  const std::size_t element = first + *found;
  float value = 0;
  to_float32(tensor.dtype, tensor.data.data() + element * width, {&value, 1});
  const std::vector<std::int64_t> index = unravel(element, tensor.shape);
  throw NotFiniteError(fmt::format("{}: tensor {} holds {} at [{}] = {}; repair the file or take another",
                                   file.path().string(), excerpt(tensor.name), value, axes, shape_text(index)),
                       tensor.name, index, value);
}

void check_and_hash(const SafetensorsFile& file, const Tensor& tensor, std::string_view axes, Finite finite,
                    Hasher& hasher) {
  constexpr std::size_t kPieceBytes = 4 << 20;
  const std::size_t width = dtype_size(tensor.dtype);
  hash_text_into(hasher, fmt::format("{} {} {}\n", dtype_name(tensor.dtype), shape_text(tensor.shape), tensor.name));
  for (std::size_t begin = 0; begin < tensor.data.size(); begin += kPieceBytes) {
    const auto piece = tensor.data.subspan(begin, std::min(kPieceBytes, tensor.data.size() - begin));
    file.file().prefetch(tensor.data.subspan(begin, std::min(2 * kPieceBytes, tensor.data.size() - begin)));
    if (finite == Finite::required) require_finite(file, tensor, begin / width, piece.size() / width, axes);
    hasher.update(piece);
    file.file().release(piece);
  }
}

}  // namespace logitfield::io
