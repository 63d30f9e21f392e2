#include "io/weights/awq_weight.hpp"

#include "io/weights/packed_integers.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {
namespace {

constexpr std::int64_t kWordNumbers = 8;

/// The number of an output in its word: words hold the outputs 0, 2, 4, 6, 1, 3, 5, 7.
std::int32_t number_of(std::uint32_t bits, std::int64_t output) {
  const std::int64_t place = output % kWordNumbers;
  const std::int64_t position = place % 2 * 4 + place / 2;
  return static_cast<std::int32_t>(bits >> (4 * position) & 15);
}

class AwqWeight final : public QuantisedWeight {
 public:
  AwqWeight(const PackedIntegers& packed, std::vector<std::int64_t> shape)
      : QuantisedWeight({packed.numbers, packed.zeros, packed.scales}, std::move(shape)), packed_(packed) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    std::vector<float> scales(static_cast<std::size_t>(rows.size()));
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      const std::int64_t group = column / packed_.group_size;
      if (column == columns.begin || column % packed_.group_size == 0) {
        read_scales(packed_.scales, static_cast<std::size_t>(group * num_rows() + rows.begin), scales);
      }
      float* out = target.data() + (column - columns.begin);
      for (std::int64_t row = rows.begin; row < rows.end; ++row, out += columns.size()) {
        const std::int32_t number = number_of(word_of(packed_.numbers, column, row), row);
        const std::int32_t zero = number_of(word_of(packed_.zeros, group, row), row);
        *out = scales[static_cast<std::size_t>(row - rows.begin)] * static_cast<float>(number - zero);
      }
    }
    round_to(packed_.scales.dtype, target);
  }

  Lines lines() const override { return Lines::columns; }

  std::span<const std::byte> bytes_of(Slice columns) const override {
    const std::int64_t width = num_rows() / kWordNumbers * 4;
    return parts().front().bytes.subspan(static_cast<std::size_t>(columns.begin * width),
                                         static_cast<std::size_t>(columns.size() * width));
  }

  void check_scales() const override { require_finite_scales(packed_.scales); }

 private:
  std::uint32_t word_of(const StoredPart& part, std::int64_t line, std::int64_t row) const {
    return word(part, (line * num_rows() + row) / kWordNumbers);
  }

  PackedIntegers packed_;
};

}  // namespace

std::unique_ptr<StoredWeight> open_awq_weight(const WeightRequest& request) {
  const std::optional<FileTensor> found = request.find(request.module() + ".qweight");
  if (!found) return nullptr;
  return std::make_unique<AwqWeight>(
      open_packed_integers(request, *found, {request.shape[1], request.shape[0] / kWordNumbers}), request.shape);
}

}  // namespace logitfield::io
