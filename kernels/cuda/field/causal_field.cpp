#include "kernels/cuda/field/causal_field.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Appends `column`, after a column of zeros if that makes the width even: products read 16 bytes at a time from rows
/// that begin at multiples of 16 bytes.
FactorForm with_column(FactorForm form, const FactorColumn& column) {
  if (form.width() % 2 == 0) form.extra[form.extras++] = {};
  form.extra[form.extras++] = column;
  return form;
}

}  // namespace

CausalField::CausalField(const Worker& worker, FactorForm queries, FactorForm keys)
    : worker_(worker),
      length_(queries.rows.length),
      padded_(padded_rows(length_)),
      tiles_(padded_ / kTileRows),
      width_(with_column(queries, {}).width()),
      a_(padded_ * width_, worker.stream),
      b_(padded_ * width_, worker.stream),
      logits_(padded_ * kTileRows, worker.stream),
      sums_(tiles_ * width_ * width_, worker.stream),
      means_(padded_, worker.stream) {
  make_factor(with_column(queries, {}), a_.data(), worker.stream);  // the last column is still zero
  make_factor(with_column(keys, {.constant = 1}), b_.data(), worker.stream);
  tile_grams(b_);
  sums_before(sums_.data(), 1, tiles_, width_ * width_, worker.stream);
  worker.products.multiply_transposed({kTileRows, kTileRows, width_, tiles_}, tiles_of(a_), tiles_of(b_),
                                      {logits_.data(), kTileRows, kTileRows * kTileRows});
  tile_means(tile_sizes(), a_.data(), logits_.data(), sums_.data(), means_.data(), worker.stream);
}

void CausalField::tile_grams(const Buffer<double>& rows) {
  worker_.products.transpose_multiply({width_, width_, kTileRows, tiles_}, tiles_of(rows), tiles_of(rows),
                                      {sums_.data(), width_, width_ * width_});
}

Buffer<double> CausalField::negative_means() const {
  std::vector<double> values(static_cast<std::size_t>(length_));
  means_.read(values);
  for (double& value : values) value = -value;
  Buffer<double> out(std::span<const double>(values), worker_.stream);
  worker_.stream.wait();  // the values are freed now
  return out;
}

cpu::CausalEnergies CausalField::energies() {
  const Stream& stream = worker_.stream;
  Buffer<double> queries(padded_, stream), keys(padded_, stream), turned(padded_ * width_, stream);
  const Products::Rows<double> out{turned.data(), width_, kTileRows * width_};
  const Products::Rows<const double> sums{sums_.data(), width_, width_ * width_};
  const Products::Sizes sizes{kTileRows, width_, width_, tiles_};
  const int columns = static_cast<int>(width_);
  tile_squares(tile_sizes(), logits_.data(), means_.data(), queries.data(), keys.data(), stream);
  // sums_ holds the keys' sums before each tile.
  worker_.products.multiply(sizes, tiles_of(a_), sums, out);
  row_dots(a_.data(), width_, turned.data(), width_, padded_, columns, true, queries.data(), stream);
  tile_grams(a_);
  sums_after(sums_.data(), 1, tiles_, width_ * width_, stream);
  worker_.products.multiply(sizes, tiles_of(b_), sums, out);
  row_dots(b_.data(), width_, turned.data(), width_, padded_, columns, true, keys.data(), stream);

  // From here on the tiles hold the field itself, for the operator.
  worker_.products.multiply_transposed({kTileRows, kTileRows, width_, tiles_}, tiles_of(a_), tiles_of(b_),
                                       {logits_.data(), kTileRows, kTileRows * kTileRows});
  mask_tiles(logits_.data(), tiles_, stream);
  const auto host = [&](const Buffer<double>& values) { return Vector(download(values, length_, 1)); };
  // Sums of squares are negative only by rounding.
  return {host(keys).cwiseMax(0.0), host(queries).cwiseMax(0.0), host(means_)};
}

void CausalField::multiply(bool forwards, const Matrix& x, Matrix& y) const {
  const Index p = x.cols();
  Matrix padded_x = Matrix::Zero(padded_, p);
  padded_x.topRows(length_) = x;
  const Buffer<double> block = upload(padded_x, worker_);
  const Buffer<double>&own = forwards ? a_ : b_, &other = forwards ? b_ : a_;
  Buffer<double> sums(tiles_ * width_ * p, worker_.stream), out(padded_ * p, worker_.stream);
  const Rows of_block{block.data(), p, kTileRows * p}, logits{logits_.data(), kTileRows, kTileRows * kTileRows};
  const Products::Rows<double> of_out{out.data(), p, kTileRows * p};
  worker_.products.transpose_multiply({width_, p, kTileRows, tiles_}, tiles_of(other), of_block,
                                      {sums.data(), p, width_ * p});
  (forwards ? sums_before : sums_after)(sums.data(), 1, tiles_, width_ * p, worker_.stream);
  worker_.products.multiply({kTileRows, p, width_, tiles_}, tiles_of(own), {sums.data(), p, width_ * p}, of_out);
  const Products::Sizes inside{kTileRows, p, kTileRows, tiles_};
  if (forwards) {
    worker_.products.multiply(inside, logits, of_block, of_out, 1);
  } else {
    worker_.products.transpose_multiply(inside, logits, of_block, of_out, 1);
  }
  y = download(out, length_, p);
}

}  // namespace logitfield::kernels::cuda
