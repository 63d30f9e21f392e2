#include "io/weights/gguf_weight.hpp"

#include <algorithm>
#include <charconv>

#include "io/error.hpp"
#include "io/safetensors.hpp"
#include "io/weights/parts.hpp"
#include "io/weights/plain_weight.hpp"

namespace logitfield::io {
namespace {

/// The tensor that holds a weight, and the number of the matrix in it; empty if the weight is the whole tensor.
struct StackPlace {
  std::string tensor;
  std::optional<std::int64_t> index;
};

StackPlace place_of(const std::string& name) {
  const std::size_t open = name.find('['), close = name.find(']');
  if (open == std::string::npos || close == std::string::npos) return {name, {}};
  std::int64_t index = 0;
  std::from_chars(name.data() + open + 1, name.data() + close, index);
  return {name.substr(0, open) + name.substr(close + 1), index};
}

StoredPart stored_part(const PlacedTensor& placed) {
  const GgufTensor& tensor = *placed.tensor;
  return {&placed.file->file(), std::string(tensor.type->name), tensor.name, tensor.shape, tensor.data};
}

/// One of the matrices, or vectors, that the part stacks.
StoredPart unstacked(StoredPart part, std::int64_t index) {
  const std::int64_t count = part.shape.front();
  if (part.shape.size() < 2 || index >= count) {
    throw InputError("{} has shape {}, and so no part {}; use a file that the current tools of llama.cpp wrote",
                     part.origin(), shape_text(part.shape), index);
  }
  const std::size_t bytes = part.bytes.size() / static_cast<std::size_t>(count);
  part.bytes = part.bytes.subspan(static_cast<std::size_t>(index) * bytes, bytes);
  part.shape.erase(part.shape.begin());
  return part;
}

}  // namespace

GgufWeight::GgufWeight(StoredPart part, const BlockType& type, std::vector<std::int64_t> shape)
    : QuantisedWeight({std::move(part)}, std::move(shape)),
      type_(type),
      row_bytes_(static_cast<std::size_t>(num_columns()) / type.numbers * type.bytes) {}

void GgufWeight::dequantise(Slice rows, Slice columns, std::span<float> target) const {
  const std::span<const std::byte> bytes = bytes_of(rows);
  if (columns.size() == num_columns()) return io::dequantise(type_, bytes.data(), target);
  const auto begin = static_cast<std::size_t>(columns.begin), width = static_cast<std::size_t>(columns.size());
  const std::size_t first = begin / type_.numbers, last = (begin + width + type_.numbers - 1) / type_.numbers;
  std::vector<float> whole((last - first) * type_.numbers);
  for (std::size_t row = 0; row * width < target.size(); ++row) {
    io::dequantise(type_, bytes.data() + row * row_bytes_ + first * type_.bytes, whole);
    std::ranges::copy(std::span(whole).subspan(begin - first * type_.numbers, width), &target[row * width]);
  }
}

std::span<const std::byte> GgufWeight::bytes_of(Slice rows) const {
  return parts().front().bytes.subspan(static_cast<std::size_t>(rows.begin) * row_bytes_,
                                       static_cast<std::size_t>(rows.size()) * row_bytes_);
}

std::unique_ptr<StoredWeight> open_gguf_weight(const GgufModel& model, const std::string& name,
                                               const std::vector<std::int64_t>& shape) {
  const StackPlace place = place_of(name);
  const auto found = model.find(place.tensor);
  if (!found) return nullptr;
  const BlockType& type = *found->tensor->type;
  StoredPart part = stored_part(*found);
  if (place.index) part = unstacked(std::move(part), *place.index);
  if (!is_same_shape(part.shape, shape)) {
    throw InputError("{} has shape {}, but the metadata asks for {}; download the file again", part.origin(),
                     shape_text(part.shape), shape_text(shape));
  }
  if (!type.is_readable() || (shape.size() == 1 && type.numbers != 1)) {
    throw InputError("{} is {}, which is not implemented {}; use a file with another quantisation", part.origin(),
                     type.name, shape.size() == 1 ? "for vectors" : "for weights");
  }
  if (type.plain) return std::make_unique<PlainWeight>(std::move(part), *type.plain, shape);
  return std::make_unique<GgufWeight>(std::move(part), type, shape);
}

}  // namespace logitfield::io
