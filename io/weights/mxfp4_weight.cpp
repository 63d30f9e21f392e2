#include "io/weights/mxfp4_weight.hpp"

#include <array>
#include <functional>
#include <numeric>

#include "io/error.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {
namespace {

constexpr std::int64_t kBlockNumbers = 32, kBlockBytes = 16;

/// Sign, 2 bits of exponent, 1 bit of mantissa.
constexpr std::array<float, 16> kE2m1 = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6, -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

class Mxfp4Weight final : public QuantisedWeight {
 public:
  Mxfp4Weight(const TypedPart& blocks, const TypedPart& scales, std::vector<std::int64_t> shape)
      : QuantisedWeight({blocks, scales}, std::move(shape)), scales_(scales) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    const std::int64_t row_blocks = num_columns() / kBlockNumbers;
    const Slice used{columns.begin / kBlockNumbers, (columns.end + kBlockNumbers - 1) / kBlockNumbers};
    std::vector<float> scales(static_cast<std::size_t>(used.size()));
    auto out = target.begin();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      read_scales(scales_, static_cast<std::size_t>(row * row_blocks + used.begin), scales);
      const std::byte* source = parts().front().bytes.data() + row * row_blocks * kBlockBytes;
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const auto pair = std::to_integer<unsigned>(source[column / 2]);
        const float scale = scales[static_cast<std::size_t>(column / kBlockNumbers - used.begin)];
        *out++ = kE2m1[column % 2 == 0 ? pair & 15 : pair >> 4] * scale;
      }
    }
  }

  std::span<const std::byte> bytes_of(Slice rows) const override {
    const std::int64_t width = num_columns() / 2;
    return parts().front().bytes.subspan(static_cast<std::size_t>(rows.begin * width),
                                         static_cast<std::size_t>(rows.size() * width));
  }

  void check_scales() const override { require_finite_scales(scales_); }

 private:
  TypedPart scales_;
};

void require_blocks(const TypedPart& blocks, const std::vector<std::int64_t>& shape) {
  const std::vector<std::int64_t>& stored = blocks.shape;
  const bool fits = stored.size() >= 3 && stored.back() == kBlockBytes && shape[1] % kBlockNumbers == 0 &&
                    stored[stored.size() - 2] == shape[1] / kBlockNumbers &&
                    std::accumulate(stored.begin(), stored.end() - 2, std::int64_t{1}, std::multiplies<>()) == shape[0];
  if (fits) return;
  throw InputError(
      "{} has shape {}, but a matrix {} in blocks of {} numbers has [{}, {}, {}]; use the config.json of these weights",
      blocks.origin(), shape_text(stored), shape_text(shape), kBlockNumbers, shape[0],
      static_cast<double>(shape[1]) / kBlockNumbers, kBlockBytes);
}

}  // namespace

std::unique_ptr<StoredWeight> open_mxfp4_weight(const WeightRequest& request) {
  const StackPlace place = place_of(request.module());
  const std::optional<FileTensor> found = request.find(place.tensor + "_blocks");
  if (!found) return nullptr;
  TypedPart blocks(*found);
  require_type(blocks, {DType::U8});
  TypedPart scales = require_part(request.find, place.tensor + "_scales", blocks);
  require_type(scales, {DType::U8, DType::F8_E8M0});
  if (place.index) {
    blocks.take(*place.index);
    scales.take(*place.index);
  }
  require_blocks(blocks, request.shape);
  require_shape(scales, {blocks.shape.begin(), blocks.shape.end() - 1});
  return std::make_unique<Mxfp4Weight>(blocks, scales, request.shape);
}

}  // namespace logitfield::io
