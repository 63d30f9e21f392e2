#include "kernels/cuda/field/causal_operator.hpp"

namespace logitfield::kernels::cuda {

CausalOperator::CausalOperator(const CausalFields& field)
    : field_(field), inside_(field.tiles() * kDeviceTileRows * kDeviceTileRows, field.worker().stream) {
  field.multiply_tiles(inside_);
  mask_tiles(inside_.data(), field.tiles(), field.worker().stream);
}

void CausalOperator::multiply(bool forwards, const Matrix& x, Matrix& y) const {
  const Worker& worker = field_.worker();
  const Index p = x.cols(), tiles = field_.tiles(), width = field_.width();
  Matrix padded = Matrix::Zero(tiles * kDeviceTileRows, p);
  padded.topRows(rows()) = x;
  const Buffer<double> block = upload(padded, worker);
  Buffer<double> sums(tiles * width * p, worker.stream), out(padded.size(), worker.stream);
  using Rows = Products::Rows<const double>;
  const Rows own = forwards ? field_.a() : field_.b(), other = forwards ? field_.b() : field_.a();
  const Rows of_block{block.data(), p, kDeviceTileRows * p},
      inside{inside_.data(), kDeviceTileRows, kDeviceTileRows * kDeviceTileRows};
  const Products::Rows<double> of_out{out.data(), p, kDeviceTileRows * p};
  worker.products.transpose_multiply({width, p, kDeviceTileRows, tiles}, other, of_block, {sums.data(), p, width * p});
  (forwards ? sums_before : sums_after)(sums.data(), 1, tiles, width * p, worker.stream);
  worker.products.multiply({kDeviceTileRows, p, width, tiles}, own, {sums.data(), p, width * p}, of_out);
  const Products::Sizes sizes{kDeviceTileRows, p, kDeviceTileRows, tiles};
  if (forwards) {
    worker.products.multiply(sizes, inside, of_block, of_out, 1);
  } else {
    worker.products.transpose_multiply(sizes, inside, of_block, of_out, 1);
  }
  y = download(out, rows(), p);
}

}  // namespace logitfield::kernels::cuda
