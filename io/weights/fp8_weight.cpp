#include "io/weights/fp8_weight.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "io/error.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {
namespace {

/// Sign, 4 bits of exponent (bias 7), 3 bits of mantissa; no infinities, and NaN where all other bits are ones.
float e4m3_value(unsigned bits) {
  const int exponent = static_cast<int>(bits >> 3 & 15), mantissa = static_cast<int>(bits & 7);
  float value = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                              : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  if ((bits & 0x7f) == 0x7f) value = std::numeric_limits<float>::quiet_NaN();
  return bits & 0x80 ? -value : value;
}

const std::array<float, 256>& e4m3_values() {
  static const auto values = [] {
    std::array<float, 256> all;
    for (unsigned bits = 0; bits < all.size(); ++bits) all[bits] = e4m3_value(bits);
    return all;
  }();
  return values;
}

/// Rows and columns that share a scale.
struct ScaleBlock {
  std::int64_t rows, columns;
};

class Fp8Weight final : public QuantisedWeight {
 public:
  Fp8Weight(const TypedPart& numbers, const TypedPart& scales, ScaleBlock block, bool rounds,
            std::vector<std::int64_t> shape)
      : QuantisedWeight({numbers, scales}, std::move(shape)), scales_(scales), block_(block), rounds_(rounds) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    const std::int64_t width = num_columns(), scale_columns = (width + block_.columns - 1) / block_.columns;
    const Slice used{columns.begin / block_.columns, (columns.end + block_.columns - 1) / block_.columns};
    std::vector<float> scales(static_cast<std::size_t>(used.size()));
    float* out = target.data();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      if (row == rows.begin || row % block_.rows == 0) {
        const std::int64_t first = row / block_.rows * scale_columns + used.begin;
        read_scales(scales_, static_cast<std::size_t>(first), scales);
      }
      const std::byte* source = parts().front().bytes.data() + row * width;
      for (std::int64_t begin = columns.begin; begin < columns.end;) {
        const std::int64_t block = begin / block_.columns, end = std::min((block + 1) * block_.columns, columns.end);
        const float scale = scales[static_cast<std::size_t>(block - used.begin)];
        out = std::transform(source + begin, source + end, out,
                             [&](std::byte bits) { return e4m3_values()[std::to_integer<std::size_t>(bits)] * scale; });
        begin = end;
      }
    }
    if (rounds_) round_to(scales_.dtype, target);
  }

  std::span<const std::byte> bytes_of(Slice rows) const override {
    return parts().front().bytes.subspan(static_cast<std::size_t>(rows.begin * num_columns()),
                                         static_cast<std::size_t>(rows.size() * num_columns()));
  }

  void check_scales() const override { require_finite_scales(scales_); }

 private:
  TypedPart scales_;
  ScaleBlock block_;
  bool rounds_;
};

/// Returns the block size that follows from the shape of the scales.
ScaleBlock block_of(const TypedPart& scales, const WeightRequest& request) {
  const std::int64_t rows = request.shape[0], columns = request.shape[1];
  const std::vector<std::int64_t>& shape = scales.shape;
  if (std::ranges::all_of(shape, [](std::int64_t size) { return size == 1; })) return {rows, columns};
  if (shape == std::vector{rows, std::int64_t{1}} || shape == std::vector{rows}) return {1, columns};
  const std::int64_t block_rows = request.quantisation->block_rows, block_columns = request.quantisation->block_columns;
  if (block_rows > 0) {
    const auto blocks = [](std::int64_t size, std::int64_t block) { return (size + block - 1) / block; };
    require_shape(scales, {blocks(rows, block_rows), blocks(columns, block_columns)});
    return {block_rows, block_columns};
  }
  throw InputError(
      "{} has shape {}, which is neither one scale for the matrix {} nor one for each row, and config.json names no "
      "blocks; use the config.json of these weights",
      scales.origin(), shape_text(shape), shape_text(request.shape));
}

}  // namespace

std::unique_ptr<StoredWeight> open_fp8_weight(const WeightRequest& request) {
  const std::optional<FileTensor> found = request.find(request.name);
  if (!found || found->tensor->dtype != DType::F8_E4M3) return nullptr;
  const TypedPart numbers(*found);
  require_shape(numbers, request.shape);
  // One name says "inverse", but its numbers are the scales themselves. It is mostly used with blocks.
  const std::string plain = request.name + "_scale", inverse = request.name + "_scale_inv";
  const bool has_inverse = request.find(inverse) || (request.quantisation->block_rows > 0 && !request.find(plain));
  const TypedPart scales = require_part(request.find, has_inverse ? inverse : plain, numbers);
  require_scale_type(scales);
  const bool rounds = request.quantisation->rounds_to_scale_type && is_float_weight(scales.dtype);
  return std::make_unique<Fp8Weight>(numbers, scales, block_of(scales, request), rounds, request.shape);
}

}  // namespace logitfield::io
