#include "io/weights/parts.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

float power_of_two(std::byte exponent) {
  const auto bits = std::to_integer<int>(exponent);
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, bits - 127);
}

}  // namespace

std::string WeightRequest::module() const {
  constexpr std::string_view kEnding = ".weight";
  return name.ends_with(kEnding) ? name.substr(0, name.size() - kEnding.size()) : name;
}

TypedPart::TypedPart(const FileTensor& found)
    : StoredPart(part_of(*found.file, *found.tensor)), dtype(found.tensor->dtype) {}

void TypedPart::take(std::int64_t index) { static_cast<StoredPart&>(*this) = unstacked(*this, index); }

TypedPart require_part(const FindTensor& find, const std::string& name, const StoredPart& of) {
  const std::optional<FileTensor> found = find(name);
  if (!found) {
    throw InputError("{} is {}, but no file holds {}, without which it cannot be dequantised; complete the checkpoint",
                     of.origin(), of.type, excerpt(name));
  }
  return *found;
}

void require_type(const TypedPart& part, std::initializer_list<DType> types) {
  if (std::ranges::find(types, part.dtype) != types.end()) return;
  std::vector<std::string_view> names;
  for (const DType type : types) names.push_back(dtype_name(type));
  throw InputError("{} is {}, but must be {}; convert the checkpoint", part.origin(), part.type,
                   fmt::join(names, " or "));
}

StackPlace place_of(const std::string& name) {
  const std::size_t open = name.find('['), close = name.find(']');
  if (open == std::string::npos || close == std::string::npos) return {name, {}};
  std::int64_t index = 0;
  std::from_chars(name.data() + open + 1, name.data() + close, index);
  return {name.substr(0, open) + name.substr(close + 1), index};
}

StoredPart unstacked(StoredPart part, std::int64_t index) {
  const std::int64_t count = part.shape.front();
  if (part.shape.size() < 2 || index >= count) {
    throw InputError("{} has shape {}, and so no part {}; use the configuration of these weights", part.origin(),
                     shape_text(part.shape), index);
  }
  const std::size_t bytes = part.bytes.size() / static_cast<std::size_t>(count);
  part.bytes = part.bytes.subspan(static_cast<std::size_t>(index) * bytes, bytes);
  part.shape.erase(part.shape.begin());
  part.place = index;
  return part;
}

bool is_same_shape(std::span<const std::int64_t> a, std::span<const std::int64_t> b) {
  const auto without_ones = [](std::span<const std::int64_t> shape) {
    while (shape.size() > 1 && shape.front() == 1) shape = shape.subspan(1);
    return shape;
  };
  return std::ranges::equal(without_ones(a), without_ones(b));
}

void require_shape(const StoredPart& part, const std::vector<std::int64_t>& shape) {
  if (is_same_shape(part.shape, shape)) return;
  if (part.bytes.empty()) {
    throw InputError(
        "{} is empty; DeepSpeed ZeRO-3 saves such files: gather the weights "
        "(stage3_gather_16bit_weights_on_model_save, or zero_to_fp32.py) and save again",
        part.origin());
  }
  throw InputError("{} has shape {}, but config.json asks for {}; use the config.json of these weights", part.origin(),
                   shape_text(part.shape), shape_text(shape));
}

void require_scale_type(const TypedPart& scales) {
  require_type(scales, {DType::F32, DType::F16, DType::BF16, DType::F8_E8M0, DType::U8});
}

void read_scales(const TypedPart& scales, std::size_t first, std::span<float> target) {
  const std::byte* source = scales.bytes.data() + first * dtype_size(scales.dtype);
  if (is_float_weight(scales.dtype)) return to_float32(scales.dtype, source, target);
  std::transform(source, source + target.size(), target.begin(), power_of_two);
}

void require_finite_scales(const TypedPart& scales) {
  const std::size_t count = scales.bytes.size() / dtype_size(scales.dtype);
  if (is_float_weight(scales.dtype)) return require_finite(scales, scales.dtype, 0, count, "scale");
  const auto found = std::ranges::find(scales.bytes, std::byte{255});
  if (found == scales.bytes.end()) return;
  refuse_not_finite(scales, std::numeric_limits<float>::quiet_NaN(), "scale",
                    unravel(static_cast<std::size_t>(found - scales.bytes.begin()), scales.shape));
}

}  // namespace logitfield::io
