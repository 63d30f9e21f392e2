#include "kernels/cuda/spectra/singular_values.hpp"

namespace logitfield::kernels::cuda {
namespace {

using Rows = Products::Rows<const double>;

// As on the CPU (spectra/band_reduction.cpp), with v, z, w and y by columns, so that threads read and write neighbours.
void reduce_panel(const Worker& worker, const Panel& p, Index count) {
  const Products& products = worker.products;
  const Index rows = p.rows(), rest = p.rest(), square = p.n * p.n;
  factor_columns(p, count, worker.stream);
  if (rest <= 0) return;
  double* right_of_panel = p.matrices + p.first * (p.n + 1) + kBand;
  double* below = right_of_panel + kBand * p.n;
  const Rows turned_columns{p.turned, rows, kBand * rows}, turned_rows{p.turned, rest, kBand * rest};
  const auto left = [&](Index row, Index column) {
    return Products::Rows<double>{p.left + row * rows + column, rows, 2 * kBand * rows};
  };
  const auto read = [](Products::Rows<double> x) { return Rows{x.data, x.stride, x.batch_stride}; };
  const Products::Rows<double> right{p.right, rest, 2 * kBand * rest};

  products.multiply({kBand, rest, rows, count}, turned_columns, {right_of_panel, p.n, square}, right);
  factor_rows(p, count, worker.stream);
  // The rows of the panel now hold w^T: one product gives -(y t)^T w and -(below y t)^T, side by side.
  products.multiply_transposed({kBand, rows, rest, count}, turned_rows, {right_of_panel, p.n, square}, left(kBand, 0));
  products.multiply({kBand, rest, kBand, count}, read(left(kBand, 0)), read(left(0, kBand)), left(kBand, kBand), 1);
  products.transpose_multiply({rest, rest, 2 * kBand, count}, read(left(0, kBand)), read(right), {below, p.n, square},
                              1);
}

}  // namespace

Buffer<double> reduce_to_bands(const Worker& worker, double* matrices, Index n, Index count) {
  const Stream& stream = worker.stream;
  Buffer<double> bands(count * band_size(n), stream), left(count * 2 * kBand * n, stream),
      right(count * 2 * kBand * n, stream), turned(count * kBand * n, stream), scratch(count * panel_size(n), stream);
  bands.zero();
  for (Index first = 0; first < n; first += kBand) {
    reduce_panel(worker, {matrices, n, first, bands.data(), left.data(), right.data(), turned.data(), scratch.data()},
                 count);
  }
  return bands;
}

Buffer<double> singular_values(const Worker& worker, double* matrices, Index n, Index count) {
  const Stream& stream = worker.stream;
  Buffer<double> values(count * n, stream), bidiagonals(count * 2 * n, stream), scales(count, stream);
  if (is_small(n)) {
    bidiagonalise_small(matrices, n, count, bidiagonals.data(), scales.data(), stream);
  } else {
    Buffer<double> scratch(kScaleParts * count, stream);
    scale_matrices(matrices, n * n, count, scratch.data(), scales.data(), stream);
    const Buffer<double> bands = reduce_to_bands(worker, matrices, n, count);
    chase_bulges(bands.data(), n, count, bidiagonals.data(), stream);
  }
  Buffer<double> squares(count * sturm_steps(n), stream), units(count, stream);
  bisect(bidiagonals.data(), n, count, scales.data(), squares.data(), units.data(), values.data(), stream);
  return values;
}

}  // namespace logitfield::kernels::cuda
