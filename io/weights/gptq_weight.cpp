#include "io/weights/gptq_weight.hpp"

#include "io/error.hpp"
#include "io/weights/packed_integers.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {
namespace {

class GptqWeight final : public QuantisedWeight {
 public:
  GptqWeight(const PackedIntegers& packed, std::optional<TypedPart> groups, std::int64_t zero_offset,
             std::vector<std::int64_t> shape)
      : QuantisedWeight(parts_of(packed, groups), std::move(shape)),
        packed_(packed),
        groups_(std::move(groups)),
        zero_offset_(static_cast<std::uint32_t>(zero_offset)) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    std::vector<float> scales(static_cast<std::size_t>(rows.size()));
    std::vector<std::int32_t> zeros(scales.size());
    std::int64_t group = -1;
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      if (const std::int64_t own = group_of(column); own != group) {
        group = own;
        read_group(group, rows, scales, zeros);
      }
      dequantise_column(column, rows, scales, zeros, target.data() + (column - columns.begin), columns.size());
    }
    round_to(packed_.scales.dtype, target);
  }

  Lines lines() const override { return Lines::columns; }
  std::int64_t lines_together() const override { return packed_.numbers_together(); }

  std::span<const std::byte> bytes_of(Slice columns) const override {
    const std::int64_t first = columns.begin * packed_.bits / 32, end = (columns.end * packed_.bits + 31) / 32;
    const std::int64_t width = num_rows() * 4;
    return parts().front().bytes.subspan(static_cast<std::size_t>(first * width),
                                         static_cast<std::size_t>((end - first) * width));
  }

  void check_scales() const override { require_finite_scales(packed_.scales); }

 private:
  static std::vector<StoredPart> parts_of(const PackedIntegers& packed, const std::optional<TypedPart>& groups) {
    std::vector<StoredPart> all = {packed.numbers, packed.zeros, packed.scales};
    if (groups) all.push_back(*groups);
    return all;
  }

  std::int64_t group_of(std::int64_t column) const {
    if (!groups_) return column / packed_.group_size;
    const auto group = static_cast<std::int32_t>(word(*groups_, column));
    if (group < 0 || group >= packed_.num_groups()) {
      throw InputError("{} holds {} at [{}], but groups are 0 ... {}; repair the file or take another",
                       groups_->origin(), group, column, packed_.num_groups() - 1);
    }
    return group;
  }

  std::uint32_t mask() const { return (1U << packed_.bits) - 1; }

  void read_group(std::int64_t group, Slice rows, std::span<float> scales, std::span<std::int32_t> zeros) const {
    const PackedLine line{group * num_rows() * packed_.bits / 32, 1};
    read_scales(packed_.scales, static_cast<std::size_t>(group * num_rows() + rows.begin), scales);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::uint32_t stored = packed_number(packed_.zeros, line, row, packed_.bits);
      // The offset wraps: zero point 0 is stored as the largest number.
      zeros[static_cast<std::size_t>(row - rows.begin)] = static_cast<std::int32_t>((stored + zero_offset_) & mask());
    }
  }

  void dequantise_column(std::int64_t column, Slice rows, std::span<const float> scales,
                         std::span<const std::int32_t> zeros, float* out, std::int64_t stride) const {
    for (std::int64_t i = 0; i < rows.size(); ++i, out += stride) {
      const auto number =
          static_cast<std::int32_t>(packed_number(packed_.numbers, {rows.begin + i, num_rows()}, column, packed_.bits));
      *out = scales[static_cast<std::size_t>(i)] * static_cast<float>(number - zeros[static_cast<std::size_t>(i)]);
    }
  }

  PackedIntegers packed_;
  std::optional<TypedPart> groups_;
  std::uint32_t zero_offset_;
};

}  // namespace

std::unique_ptr<StoredWeight> open_gptq_weight(const WeightRequest& request) {
  const std::optional<FileTensor> found = request.find(request.module() + ".qweight");
  if (!found) return nullptr;
  const std::int64_t outputs = request.shape[0], inputs = request.shape[1];
  const PackedIntegers packed =
      open_packed_integers(request, *found, {inputs * request.quantisation->bits / 32, outputs});
  std::optional<TypedPart> groups;
  if (const std::optional<FileTensor> g_idx = request.find(request.module() + ".g_idx")) {
    groups = TypedPart(*g_idx);
    require_type(*groups, {DType::I32});
    require_shape(*groups, {inputs});
  }
  return std::make_unique<GptqWeight>(packed, std::move(groups), request.quantisation->zero_offset, request.shape);
}

}  // namespace logitfield::io
