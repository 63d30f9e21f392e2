#include "io/weights/compressed_integer_weight.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "io/error.hpp"
#include "io/weights/packed_integers.hpp"
#include "io/weights/quantised_weight.hpp"

namespace logitfield::io {
namespace {

constexpr const char* kConfigRemedy = "use the config.json of these weights";

/// The tensors of a module. bits: those of a packed number; 0: numbers are I8.
struct CompressedIntegers {
  TypedPart numbers, scales;
  std::optional<TypedPart> zeros, groups;
  std::int64_t bits;

  std::vector<StoredPart> parts() const {
    std::vector<StoredPart> all = {numbers, scales};
    for (const auto& part : {zeros, groups}) {
      if (part) all.push_back(*part);
    }
    return all;
  }
  /// Whether all numbers share one scale.
  bool has_one_scale() const {
    return std::ranges::all_of(scales.shape, [](std::int64_t size) { return size == 1; });
  }
  std::int64_t num_groups() const { return has_one_scale() ? 1 : scales.shape[1]; }
};

std::int32_t byte_number(const StoredPart& part, std::int64_t index) {
  return static_cast<std::int8_t>(part.bytes[static_cast<std::size_t>(index)]);
}

class CompressedIntegerWeight final : public QuantisedWeight {
 public:
  CompressedIntegerWeight(CompressedIntegers stored, std::vector<std::int64_t> shape)
      : QuantisedWeight(stored.parts(), std::move(shape)), stored_(std::move(stored)) {}

 protected:
  void dequantise(Slice rows, Slice columns, std::span<float> target) const override {
    const std::vector<std::int64_t> group = groups_of(columns);
    std::vector<float> scales(static_cast<std::size_t>(stored_.num_groups()));
    std::vector<std::int32_t> zeros(scales.size(), 0);
    float* out = target.data();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      read_groups(row, scales, zeros);
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const auto g = static_cast<std::size_t>(group[static_cast<std::size_t>(column - columns.begin)]);
        *out++ = scales[g] * static_cast<float>(number_at(row, column) - zeros[g]);
      }
    }
    round_to(stored_.scales.dtype, target);
  }

  std::span<const std::byte> bytes_of(Slice rows) const override {
    const std::size_t width = parts().front().bytes.size() / static_cast<std::size_t>(num_rows());
    return parts().front().bytes.subspan(static_cast<std::size_t>(rows.begin) * width,
                                         static_cast<std::size_t>(rows.size()) * width);
  }

  void check_scales() const override { require_finite_scales(stored_.scales); }

 private:
  std::int32_t without_offset(std::uint32_t number) const {
    return static_cast<std::int32_t>(number) - (1 << (stored_.bits - 1));
  }

  std::int32_t number_at(std::int64_t row, std::int64_t column) const {
    if (stored_.bits == 0) return byte_number(stored_.numbers, row * num_columns() + column);
    return without_offset(packed_number(stored_.numbers, {row * stored_.numbers.shape[1], 1}, column, stored_.bits));
  }

  /// Reads the scales and zero points of a row.
  void read_groups(std::int64_t row, std::span<float> scales, std::span<std::int32_t> zeros) const {
    const std::int64_t count = stored_.num_groups(), first = stored_.has_one_scale() ? 0 : row * count;
    read_scales(stored_.scales, static_cast<std::size_t>(first), scales);
    if (!stored_.zeros) return;
    for (std::int64_t g = 0; g < count; ++g) {
      zeros[static_cast<std::size_t>(g)] =
          stored_.zeros->dtype == DType::I8
              ? byte_number(*stored_.zeros, first + g)
              : without_offset(packed_number(*stored_.zeros, {g, count}, row, stored_.bits));
    }
  }

  /// Returns the group of each column. Groups that were never ordered are stored as -1.
  std::vector<std::int64_t> groups_of(Slice columns) const {
    std::vector<std::int64_t> out(static_cast<std::size_t>(columns.size()));
    const bool ordered = stored_.groups && has_order();
    const std::int64_t size = num_columns() / stored_.num_groups();
    for (std::int64_t column = columns.begin; column < columns.end; ++column) {
      out[static_cast<std::size_t>(column - columns.begin)] = ordered ? group_at(column) : column / size;
    }
    return out;
  }

  bool has_order() const {
    for (std::int64_t column = 0; column < num_columns(); ++column) {
      if (static_cast<std::int32_t>(word(*stored_.groups, column)) == -1) return false;
    }
    return true;
  }

  std::int64_t group_at(std::int64_t column) const {
    const auto group = static_cast<std::int32_t>(word(*stored_.groups, column));
    if (group >= 0 && group < stored_.num_groups()) return group;
    throw InputError("{} holds {} at [{}], but groups are 0 ... {}; repair the file or take another",
                     stored_.groups->origin(), group, column, stored_.num_groups() - 1);
  }

  CompressedIntegers stored_;
};

std::optional<TypedPart> find_part(const WeightRequest& request, const char* ending) {
  const std::optional<FileTensor> found = request.find(request.module() + ending);
  return found ? std::optional<TypedPart>(*found) : std::nullopt;
}

/// Finds a tensor of the module, which must be there if `needed`.
std::optional<TypedPart> find_part(const WeightRequest& request, const char* ending, const TypedPart& numbers,
                                   bool needed) {
  if (needed) return require_part(request.find, request.module() + ending, numbers);
  return find_part(request, ending);
}

std::int64_t words_of(std::int64_t numbers, std::int64_t bits) { return (numbers * bits + 31) / 32; }

/// Returns the bits of a number, which follow from the number of words in a row.
std::int64_t bits_of(const TypedPart& packed, const std::vector<std::int64_t>& shape) {
  require_type(packed, {DType::I32});
  for (const std::int64_t bits : {4, 8}) {
    if (packed.shape == std::vector{shape[0], words_of(shape[1], bits)}) return bits;
  }
  throw InputError("{} has shape {}, which holds {} neither in 4 bits nor in 8; {}", packed.origin(),
                   shape_text(packed.shape), shape_text(shape), kConfigRemedy);
}

/// Requires weight_shape, if there is one, to be the shape that the configuration asks for.
void require_weight_shape(const WeightRequest& request) {
  const std::optional<TypedPart> part = find_part(request, ".weight_shape");
  if (!part) return;
  require_type(*part, {DType::I64});
  require_shape(*part, {2});
  std::array<std::int64_t, 2> stored;
  std::memcpy(stored.data(), part->bytes.data(), sizeof stored);
  if (std::ranges::equal(stored, request.shape)) return;
  throw InputError("{} holds {}, but config.json asks for {}; {}", part->origin(), shape_text(stored),
                   shape_text(request.shape), kConfigRemedy);
}

void require_scales(const CompressedIntegers& stored, const std::vector<std::int64_t>& shape) {
  require_type(stored.scales, {DType::F32, DType::F16, DType::BF16});
  const std::vector<std::int64_t>& own = stored.scales.shape;
  if (stored.has_one_scale()) return;
  if (own.size() == 2 && own[0] == shape[0] && own[1] > 0 && shape[1] % own[1] == 0) return;
  throw InputError(
      "{} has shape {}, which is neither one scale for the matrix {} nor, in each row, one for each group "
      "of as many columns; {}",
      stored.scales.origin(), shape_text(own), shape_text(shape), kConfigRemedy);
}

void require_zeros(const CompressedIntegers& stored, const std::vector<std::int64_t>& shape) {
  if (!stored.zeros) return;
  if (stored.zeros->dtype == DType::I8) return require_shape(*stored.zeros, stored.scales.shape);
  if (stored.bits == 0) return require_type(*stored.zeros, {DType::I8});
  require_type(*stored.zeros, {DType::I8, DType::I32});
  require_shape(*stored.zeros, {words_of(shape[0], stored.bits), stored.num_groups()});
}

}  // namespace

std::unique_ptr<StoredWeight> open_compressed_integer_weight(const WeightRequest& request) {
  const std::optional<TypedPart> packed = find_part(request, ".weight_packed"), whole = find_part(request, ".weight");
  if (!packed && (!whole || whole->dtype != DType::I8)) return nullptr;
  const TypedPart numbers = packed ? *packed : *whole;
  const Quantisation& quantisation = *request.quantisation;
  const std::int64_t bits = packed ? bits_of(numbers, request.shape) : 0;
  if (!packed) require_shape(numbers, request.shape);
  require_weight_shape(request);
  const CompressedIntegers stored{numbers, require_part(request.find, request.module() + ".weight_scale", numbers),
                                  find_part(request, ".weight_zero_point", numbers, quantisation.needs_zero_points),
                                  find_part(request, ".weight_g_idx", numbers, quantisation.needs_order), bits};
  require_scales(stored, request.shape);
  require_zeros(stored, request.shape);
  if (stored.groups) {
    require_type(*stored.groups, {DType::I32});
    require_shape(*stored.groups, {request.shape[1]});
  }
  return std::make_unique<CompressedIntegerWeight>(stored, request.shape);
}

}  // namespace logitfield::io
