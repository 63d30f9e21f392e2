#include "kernels/cuda/field/causal_fields.hpp"

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

CausalFields::CausalFields(const Worker& worker, FactorForm queries, FactorForm keys)
    : worker_(worker),
      kv_heads_(keys.rows.heads),
      members_(queries.rows.heads / kv_heads_),
      length_(queries.rows.length),
      padded_(padded_rows(length_)),
      tiles_(padded_ / kDeviceTileRows),
      width_(with_column(queries, {}).width()),
      a_(kv_heads_ * members_ * padded_ * width_, worker.stream),
      b_(kv_heads_ * padded_ * width_, worker.stream),
      logits_(kv_heads_ * members_ * padded_ * kDeviceTileRows, worker.stream),
      sums_(kv_heads_ * tiles_ * width_ * width_, worker.stream),
      means_(kv_heads_ * members_ * padded_, worker.stream) {
  const Index square = width_ * width_;
  queries.interleaved = members_;
  make_factor(with_column(queries, {}), a_.data(), worker.stream);  // the last column is still zero
  make_factor(with_column(keys, {.constant = 1}), b_.data(), worker.stream);
  worker.products.transpose_multiply({width_, width_, kDeviceTileRows, kv_heads_ * tiles_}, b(), b(),
                                     {sums_.data(), width_, square});
  sums_before(sums_.data(), kv_heads_, tiles_, square, worker.stream);
  multiply_tiles(logits_);
  tile_means(tile_sizes(), a_.data(), logits_.data(), sums_.data(), means_.data(), worker.stream);
}

TileSizes CausalFields::tile_sizes() const {
  return {.heads = kv_heads_ * members_, .length = length_, .shared = members_, .width = static_cast<int>(width_ - 1)};
}

void CausalFields::multiply_tiles(Buffer<double>& tiles) const {
  worker_.products.multiply_transposed({members_ * kDeviceTileRows, kDeviceTileRows, width_, kv_heads_ * tiles_}, a(),
                                       b(),
                                       {tiles.data(), kDeviceTileRows, members_ * kDeviceTileRows * kDeviceTileRows});
}

void CausalFields::add_queries(Buffer<double>& energies) const {
  const Index rows = kv_heads_ * members_ * padded_;
  Buffer<double> turned(rows * width_, worker_.stream);
  worker_.products.multiply({members_ * kDeviceTileRows, width_, width_, kv_heads_ * tiles_}, a(),
                            {sums_.data(), width_, width_ * width_},
                            {turned.data(), width_, members_ * kDeviceTileRows * width_});
  row_dots({.rows = rows, .columns = static_cast<int>(width_), .x_stride = width_, .y_stride = width_, .adds = true},
           a_.data(), turned.data(), energies.data(), worker_.stream);
}

void CausalFields::add_keys(Buffer<double>& energies) const {
  const Index heads = kv_heads_ * members_, rows = heads * padded_, square = width_ * width_;
  Buffer<double> sums(heads * tiles_ * square, worker_.stream), turned(rows * width_, worker_.stream);
  const Products::Rows<const double> own{a_.data(), width_, kDeviceTileRows * width_};
  worker_.products.transpose_multiply({width_, width_, kDeviceTileRows, heads * tiles_}, own, own,
                                      {sums.data(), width_, square});
  sums_after(sums.data(), kv_heads_, tiles_, members_ * square, worker_.stream);
  for (Index m = 0; m < members_; ++m) {
    worker_.products.multiply(
        {kDeviceTileRows, width_, width_, kv_heads_ * tiles_}, b(),
        {sums.data() + m * square, width_, members_ * square},
        {turned.data() + m * kDeviceTileRows * width_, width_, members_ * kDeviceTileRows * width_});
  }
  row_dots({.rows = rows,
            .columns = static_cast<int>(width_),
            .x_stride = width_,
            .y_stride = width_,
            .x_shared = members_,
            .adds = true},
           b_.data(), turned.data(), energies.data(), worker_.stream);
}

Vector CausalFields::rows_of(const HostRows& all, Index head) const {
  Vector out(length_);
  for (Index first = 0; first < length_; first += kDeviceTileRows) {
    const Index tile = (head / members_ * tiles_ + first / kDeviceTileRows) * members_ + head % members_;
    const Index count = std::min(kDeviceTileRows, length_ - first);
    out.segment(first, count) = Eigen::Map<const Vector>(all.data + tile * kDeviceTileRows, count);
  }
  return out;
}

std::vector<kernels::CausalEnergies> CausalFields::energies() const {
  const Index heads = kv_heads_ * members_;
  Buffer<double> queries(heads * padded_, worker_.stream), keys(heads * padded_, worker_.stream);
  tile_squares(tile_sizes(), logits_.data(), means_.data(), queries.data(), keys.data(), worker_.stream);
  add_queries(queries);
  add_keys(keys);
  const HostRows of_queries = start_download(queries, heads, padded_, worker_),
                 of_keys = start_download(keys, heads, padded_, worker_),
                 means = start_download(means_, heads, padded_, worker_);
  worker_.stream.wait();
  std::vector<kernels::CausalEnergies> out;
  for (Index h = 0; h < heads; ++h) {
    // Sums of squares are negative only by rounding.
    out.push_back(
        {rows_of(of_keys, h).cwiseMax(0.0), rows_of(of_queries, h).cwiseMax(0.0), means.matrix().row(h).head(length_)});
  }
  return out;
}

}  // namespace logitfield::kernels::cuda
