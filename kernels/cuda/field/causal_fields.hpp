#pragma once
#include <vector>

#include "kernels/cuda/field/field_operations.hpp"
#include "kernels/cuda/worker.hpp"
#include "kernels/field/causal_field.hpp"

namespace logitfield::kernels::cuda {

/// The causal fields E = tril(a b^T) of some heads, a = [queries' factor, -m], b = [keys' factor, 1], on the device;
/// see field/causal_field.hpp. Query heads that read one KV head are interleaved by tiles (make_factor), so that each
/// step is one product for all of them. Logits are formed inside tiles only: memory L (2 w + kDeviceTileRows) per head
/// and w^2 per tile.
class CausalFields {
 public:
  /// Computes the row means m. The forms must not have a column for m yet. Each KV head is read by equally many query
  /// heads, in order.
  CausalFields(const Worker& worker, FactorForm queries, FactorForm keys);

  /// m [heads, padded_rows(length)] in device memory.
  const Buffer<double>& means() const { return means_; }
  /// Returns the energies of every head. Waits for the device.
  std::vector<kernels::CausalEnergies> energies() const;

  const Worker& worker() const { return worker_; }
  Index length() const { return length_; }
  Index tiles() const { return tiles_; }
  /// Width of the factors with their last columns; even.
  Index width() const { return width_; }
  /// The tiles of the factors: a [KV heads, tiles, members, kDeviceTileRows, width], where one tile holds the rows of
  /// all members, and b [KV heads, tiles, kDeviceTileRows, width].
  Products::Rows<const double> a() const { return {a_.data(), width_, members_ * kDeviceTileRows * width_}; }
  Products::Rows<const double> b() const { return {b_.data(), width_, kDeviceTileRows * width_}; }
  /// Sets tiles [KV heads, tiles, members, kDeviceTileRows, kDeviceTileRows] = a b^T of each tile with itself: the
  /// logits before the means are known, then the field.
  void multiply_tiles(Buffer<double>& tiles) const;

 private:
  TileSizes tile_sizes() const;
  /// Returns the rows of one head from numbers of all rows in their interleaved order.
  Vector rows_of(const HostRows& all, Index head) const;
  /// Add the terms of the other tiles to the energies of queries, or of keys: x_i . (sums of the tile) x_i.
  void add_queries(Buffer<double>& energies) const;
  void add_keys(Buffer<double>& energies) const;

  const Worker& worker_;
  Index kv_heads_, members_, length_, padded_, tiles_, width_;
  /// sums_ [KV heads, tiles, width, width]: Gram matrices of the keys' rows before each tile.
  Buffer<double> a_, b_, logits_, sums_, means_;
};

}  // namespace logitfield::kernels::cuda
