#include "io/weights/gguf_latent_weight.hpp"

#include <algorithm>
#include <optional>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/weights/gguf_weight.hpp"
#include "io/weights/quantised_weight.hpp"
#include "io/weights/tensor_check.hpp"

namespace logitfield::io {
namespace {

constexpr const char* kDownloadAgain = "download the file again";

/// One of the two tensors, with the type of its blocks.
struct LatentHalf {
  StoredPart part;
  const BlockType* type;

  /// Reads some rows of `width` numbers, counted over all heads.
  void read(Slice rows, std::int64_t width, std::span<float> target) const {
    const std::size_t row_bytes = static_cast<std::size_t>(width) / type->numbers * type->bytes;
    io::dequantise(*type, part.bytes.data() + static_cast<std::size_t>(rows.begin) * row_bytes, target);
  }
};

class GgufLatentWeight final : public QuantisedWeight {
 public:
  GgufLatentWeight(LatentHalf keys, LatentHalf values, std::vector<std::int64_t> shape)
      : QuantisedWeight({keys.part, values.part}, std::move(shape)),
        keys_(std::move(keys)),
        values_(std::move(values)) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    std::vector<float> keys(static_cast<std::size_t>(num_columns() * key_columns()));
    std::vector<float> values(static_cast<std::size_t>(num_columns()));
    std::int64_t head_read = -1;
    float* out = target.data();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::int64_t head = row / rows_per_head(), in_head = row % rows_per_head();
      if (in_head >= key_columns()) {
        const std::int64_t own = head * value_columns() + in_head - key_columns();
        values_.read({own, own + 1}, num_columns(), values);
        out = std::copy(values.begin() + columns.begin, values.begin() + columns.end, out);
        continue;
      }
      if (head != head_read) keys_.read({head * num_columns(), (head + 1) * num_columns()}, key_columns(), keys);
      head_read = head;
      for (std::int64_t k = columns.begin; k < columns.end; ++k) {
        *out++ = keys[static_cast<std::size_t>(k * key_columns() + in_head)];
      }
    }
  }

  std::int64_t lines_together() const override { return rows_per_head(); }

  std::span<const std::byte> bytes_of(Slice rows) const override {
    const std::size_t head_bytes = keys_.part.bytes.size() / static_cast<std::size_t>(keys_.part.shape[0]);
    const std::int64_t first = rows.begin / rows_per_head(), end = (rows.end + rows_per_head() - 1) / rows_per_head();
    return parts().front().bytes.subspan(static_cast<std::size_t>(first) * head_bytes,
                                         static_cast<std::size_t>(end - first) * head_bytes);
  }

  void check_scales() const override {}  // a non-finite scale makes its whole block non-finite

  [[noreturn]] void refuse_number(std::int64_t row, std::int64_t column, float value) const override {
    const std::int64_t head = row / rows_per_head(), in_head = row % rows_per_head();
    if (in_head < key_columns()) refuse_not_finite(keys_.part, value, "head, row, column", {head, column, in_head});
    refuse_not_finite(values_.part, value, "head, row, column", {head, in_head - key_columns(), column});
  }

 private:
  std::int64_t key_columns() const { return keys_.part.shape[2]; }
  std::int64_t value_columns() const { return values_.part.shape[1]; }
  std::int64_t rows_per_head() const { return key_columns() + value_columns(); }

  LatentHalf keys_, values_;
};

LatentHalf open_half(const GgufModel& model, const std::string& name, const std::string& other) {
  const auto found = model.find(name);
  if (!found) {
    throw InputError("{}: no file holds tensor {}, the other half of {}; {}", model.path().string(), excerpt(name),
                     excerpt(other), kDownloadAgain);
  }
  LatentHalf half{part_of(*found), found->tensor->type};
  if (!half.type->is_readable()) {
    throw InputError("{} is {}, which is not implemented for weights; use a file with another quantisation",
                     half.part.origin(), half.type->name);
  }
  return half;
}

/// Requires halves of as many heads as the map's rows have.
void require_halves(const StoredPart& keys, const StoredPart& values, const std::vector<std::int64_t>& shape) {
  const bool fits = keys.shape.size() == 3 && values.shape.size() == 3 && keys.shape[0] == values.shape[0] &&
                    keys.shape[1] == shape[1] && values.shape[2] == shape[1] &&
                    keys.shape[0] * (keys.shape[2] + values.shape[1]) == shape[0];
  if (fits) return;
  throw InputError("{} has shape {} and {} has {}, but the metadata asks for {} together; {}", keys.origin(),
                   shape_text(keys.shape), excerpt(values.name), shape_text(values.shape), shape_text(shape),
                   kDownloadAgain);
}

}  // namespace

std::unique_ptr<StoredWeight> open_gguf_latent_weight(const GgufModel& model, const std::string& name,
                                                      const std::vector<std::int64_t>& shape) {
  constexpr std::string_view kWhole = "attn_kv_b.weight";
  if (!name.ends_with(kWhole) || shape.size() != 2) return nullptr;
  const std::string layer = name.substr(0, name.size() - kWhole.size());
  const std::string key_name = layer + "attn_k_b.weight", value_name = layer + "attn_v_b.weight";
  if (!model.has(key_name) && !model.has(value_name)) return nullptr;
  LatentHalf keys = open_half(model, key_name, value_name), values = open_half(model, value_name, key_name);
  require_halves(keys.part, values.part, shape);
  return std::make_unique<GgufLatentWeight>(std::move(keys), std::move(values), shape);
}

}  // namespace logitfield::io
