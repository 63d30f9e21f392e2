#include "io/weights/gguf_weight.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/safetensors.hpp"
#include "io/weights/gguf_latent_weight.hpp"
#include "io/weights/parts.hpp"
#include "io/weights/plain_weight.hpp"

namespace logitfield::io {
StoredPart part_of(const PlacedTensor& placed) {
  const GgufTensor& tensor = *placed.tensor;
  return {&placed.file->file(), std::string(tensor.type->name), tensor.name, tensor.shape, tensor.data};
}

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
  if (!found) return open_gguf_latent_weight(model, name, shape);
  const BlockType& type = *found->tensor->type;
  StoredPart part = part_of(*found);
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
