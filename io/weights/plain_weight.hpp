#pragma once
#include "io/dtype.hpp"
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// A weight stored as F32, F16 or BF16 numbers, row-major.
class PlainWeight final : public StoredWeight {
 public:
  /// `part` must hold shape[0] * shape[1] numbers of an is_float_weight type.
  PlainWeight(StoredPart part, DType type, std::vector<std::int64_t> shape);

  void read(Slice rows, Slice columns, std::span<float> target) const override;
  void read(Slice rows, Slice columns, std::span<std::uint16_t> target) const override;
  void prefetch(Slice rows, Slice columns) const override;
  Fingerprint check_and_hash() const override;

 private:
  template <class Number>
  void read_pieces(Slice rows, Slice columns, std::span<Number> target) const;
  std::span<const std::byte> row_bytes(Slice rows) const;

  DType type_;
};

}  // namespace logitfield::io
