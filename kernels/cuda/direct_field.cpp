#include "kernels/cuda/direct_field.hpp"

#include <algorithm>
#include <numeric>

#include "kernels/field/row_sample.hpp"

namespace logitfield::kernels::cuda {

DirectRows direct_rows(const Worker& worker, const FactorForm& queries, const double* keys, const DirectForm& form,
                       std::span<const Index> positions) {
  const Index count = std::ssize(positions), width = queries.width();
  const std::vector<std::int64_t> host(positions.begin(), positions.end());
  const Buffer<std::int64_t> where{std::span<const std::int64_t>(host), worker.stream};
  Buffer<double> made(padded_rows(count) * width, worker.stream), sums(count * kDirectSums, worker.stream);
  DirectRows out{Buffer<double>(count * form.length, worker.stream), {}};
  make_factor(queries, made.data(), worker.stream);
  worker.products.multiply_transposed({count, form.length, width}, {made.data(), width}, {keys, width},
                                      {out.field.data(), form.length});
  centre_rows(form, where.data(), 1, count, out.field.data(), sums.data(), worker.stream);
  out.sums = download(sums, count, kDirectSums);
  return out;
}

cpu::FormedField direct_field(const Worker& worker, const FactorForm& queries, const double* keys,
                              const DirectForm& form) {
  const Index length = form.length;
  cpu::FormedField out{Matrix(length, length), {}, Vector(length), Matrix(length, 2)};
  std::vector<Index> positions(static_cast<std::size_t>(length));
  std::iota(positions.begin(), positions.end(), Index{0});
  Buffer<double> key_energy(length, worker.stream);
  key_energy.zero();
  for (Index begin = 0; begin < length; begin += kRowPadding) {
    FactorForm strip = queries;
    strip.rows.data += begin * queries.rows.columns;
    strip.rows.length = std::min(kRowPadding, length - begin);
    const Index count = strip.rows.length;
    const std::span<const Index> own{positions.data() + begin, static_cast<std::size_t>(count)};
    const DirectRows rows = direct_rows(worker, strip, keys, form, own);
    add_column_squares(rows.field.data(), 1, count, length, key_energy.data(), worker.stream);
    rows.field.read({out.field.row(begin).data(), static_cast<std::size_t>(count * length)});
    out.query_energy.segment(begin, count) = rows.sums.col(1 + cpu::kSquares);
    out.products.middleRows(begin, count) = rows.sums.rightCols(2);
  }
  out.key_energy = download(key_energy, length, 1);
  return out;
}

}  // namespace logitfield::kernels::cuda
