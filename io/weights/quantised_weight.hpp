#pragma once
#include "io/weights/stored_weight.hpp"

namespace logitfield::io {

/// A weight whose numbers are computed from stored tensors; the base class of quantised formats. It reads in tiles, so
/// that at most one tile is dequantised beside the target. It rounds to bfloat16 and finds numbers that are not finite.
class QuantisedWeight : public StoredWeight {
 public:
  void read(Slice rows, Slice columns, std::span<float> target) const override;
  void read(Slice rows, Slice columns, std::span<std::uint16_t> target) const override;
  void prefetch(Slice rows, Slice columns) const override;
  Fingerprint check_and_hash() const override;

 protected:
  using StoredWeight::StoredWeight;

  /// The lines that are contiguous in the first part: rows, or columns (outputs vary fastest).
  enum class Lines { rows, columns };

  /// Computes the block rows x columns, row-major.
  virtual void dequantise(Slice rows, Slice columns, std::span<float> target) const = 0;
  virtual Lines lines() const { return Lines::rows; }
  /// Returns the number of lines that share words: bytes_of() gets slices that begin at a multiple of it.
  virtual std::int64_t lines_together() const { return 1; }
  /// Returns the bytes of the first part that hold these rows (or columns).
  virtual std::span<const std::byte> bytes_of(Slice lines) const = 0;
  /// Throws NotFiniteError for scales that are not finite, so that the message names the scales and not the numbers
  /// computed from them.
  virtual void check_scales() const = 0;
  /// Throws NotFiniteError for a number that is not finite.
  [[noreturn]] virtual void refuse_number(std::int64_t row, std::int64_t column, float value) const;

 private:
  /// Calls visit(rows, columns, bytes of the first part) for tiles of a block, and releases each tile's pages.
  template <class Visit>
  void for_each_tile(Slice rows, Slice columns, const Visit& visit) const;
  template <class Number>
  void read_tiles(Slice rows, Slice columns, std::span<Number> target) const;
};

}  // namespace logitfield::io
