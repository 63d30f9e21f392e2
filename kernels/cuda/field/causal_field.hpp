#pragma once
#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/worker.hpp"
#include "kernels/field/causal_field.hpp"

namespace logitfield::kernels::cuda {

/// The causal field E = tril(a b^T), a = [queries' factor, -m], b = [keys' factor, 1], on the device; see
/// field/causal_field.hpp. Logits are formed inside tiles only: memory L (2 w + kTileRows) and w^2 a tile.
class CausalField final : public cpu::LinearOperator {
 public:
  /// Computes the row means m. The forms must not have a column for them.
  CausalField(const Worker& worker, FactorForm queries, FactorForm keys);

  /// [length] in device memory: -m, as a column of a factor.
  Buffer<double> negative_means() const;
  cpu::CausalEnergies energies();

  /// Callable only after energies().
  Index rows() const override { return length_; }
  void apply(const Matrix& x, Matrix& y) const override { multiply(true, x, y); }
  void apply_transpose(const Matrix& y, Matrix& x) const override { multiply(false, y, x); }

 private:
  using Rows = Products::Rows<const double>;
  Rows tiles_of(const Buffer<double>& rows) const { return {rows.data(), width_, kTileRows * width_}; }
  TileSizes tile_sizes() const { return {.length = length_, .width = static_cast<int>(width_ - 1)}; }
  /// Gram matrices of the rows of each tile [tiles, width, width].
  void tile_grams(const Buffer<double>& rows);
  void multiply(bool forwards, const Matrix& x, Matrix& y) const;

  const Worker& worker_;
  Index length_, padded_, tiles_;
  /// Width of the factors with their last columns; even.
  Index width_;
  Buffer<double> a_, b_, logits_, sums_, means_;
};

}  // namespace logitfield::kernels::cuda
