#include "kernels/cuda/field/tall_factors.hpp"

#include <cmath>

#include "kernels/field/thin_factor.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Chunks of the rows of a tall matrix whose products are formed apart: enough to fill the device.
Index chunk_rows(Index heads, Index padded) {
  constexpr Index kWanted = 256;  // products in all
  Index rows = kRowPadding;
  while (heads * (padded / (2 * rows)) >= kWanted && padded % (2 * rows) == 0) rows *= 2;
  return rows;
}

}  // namespace

TallFactors::TallFactors(const Worker& worker, FactorForm form, const double* probes)
    : worker_(worker),
      heads_(form.rows.heads),
      length_(form.rows.length),
      padded_(padded_rows(length_)),
      width_(form.width()),
      stride_((width_ + 3) / 2 * 2),
      decomposed_(static_cast<std::size_t>(heads_), false),
      norms_(static_cast<std::size_t>(heads_), 0.0),
      conditions_(static_cast<std::size_t>(heads_), 0.0),
      determinants_(static_cast<std::size_t>(heads_), 0.0),
      rows_(heads_ * padded_ * stride_, worker.stream),
      r_(heads_ * width_ * width_, worker.stream),
      inverse_(heads_ * width_ * width_, worker.stream),
      basis_probes_(heads_ * width_ * 2, worker.stream) {
  for (int p = 0; p < 2; ++p) form.extra[form.extras++] = {.values = probes + p * length_};
  if (form.width() < stride_) form.extra[form.extras++] = {};
  make_factor(form, rows_.data(), worker.stream);
  grams_ = tall_products(rows(), rows(), width_ + 2);
  checks_ = decompose(grams_, width_ + 2, r_, inverse_);
}

void TallFactors::finish() {
  if (finished_) return;
  finished_ = true;
  worker_.stream.wait();
  const auto checks = checks_.matrix();
  bool enough = true;
  for (Index h = 0; h < heads_; ++h) {
    const auto head = static_cast<std::size_t>(h);
    norms_[head] = std::sqrt(checks(h, kTrace));
    determinants_[head] = checks(h, kLogDeterminant);
    decomposed_[head] = length_ > width_ && checks(h, kPositive) == 1;
    conditions_[head] = checks(h, kNorm) * checks(h, kInverseNorm);
    if (decomposed_[head] && !kernels::one_pass_is_enough(conditions_[head], width_)) enough = false;
  }
  if (!enough) {
    second_pass();
    return;
  }
  worker_.products.transpose_multiply({width_, 2, width_, heads_}, {inverse_.data(), width_, width_ * width_},
                                      {rows_probes().data, width_ + 2, width_ * (width_ + 2)},
                                      {basis_probes_.data(), 2, 2 * width_});
}

Buffer<double> TallFactors::tall_products(Products::Rows<const double> x, Products::Rows<const double> y,
                                          Index columns) const {
  const Index chunk = chunk_rows(heads_, padded_), chunks = padded_ / chunk, size = width_ * columns;
  Buffer<double> parts(heads_ * chunks * size, worker_.stream), out(heads_ * size, worker_.stream);
  x.batch_stride = chunk * x.stride;
  y.batch_stride = chunk * y.stride;
  worker_.products.transpose_multiply({width_, columns, chunk, heads_ * chunks}, x, y, {parts.data(), columns, size});
  sum_matrices(parts.data(), heads_, chunks, size, out.data(), worker_.stream);
  return out;
}

HostRows TallFactors::decompose(const Buffer<double>& grams, Index stride, Buffer<double>& r,
                                Buffer<double>& inverse) const {
  Buffer<double> checks(heads_ * kCholeskyChecks, worker_.stream);
  checks.zero();
  cholesky(grams.data(), stride, heads_, static_cast<int>(width_), r.data(), inverse.data(), checks.data(),
           worker_.stream);
  return start_download(checks, heads_, kCholeskyChecks, worker_);
}

// The basis is formed, and divided by a second r: twice is enough (Yamamoto et al. 2015). Heads that were done pass
// too.
void TallFactors::second_pass() {
  const Index size = width_ * width_;
  const Products::Sizes square{width_, width_, width_, heads_};
  const Buffer<double> first = bases();
  const Products::Rows<const double> rows{first.data(), width_, padded_ * width_};
  const Buffer<double> grams = tall_products(rows, rows, width_);
  Buffer<double> r(heads_ * size, worker_.stream), inverse(heads_ * size, worker_.stream),
      product(heads_ * size, worker_.stream);
  const HostRows found = decompose(grams, width_, r, inverse);
  worker_.products.multiply(square, {r.data(), width_, size}, {r_.data(), width_, size},
                            {product.data(), width_, size});
  basis_ = Buffer<double>(heads_ * padded_ * width_, worker_.stream);
  worker_.products.multiply({padded_, width_, width_, heads_}, rows, {inverse.data(), width_, size},
                            {basis_.data(), width_, padded_ * width_});
  r_ = std::move(product);
  Buffer<double> both(heads_ * size, worker_.stream);
  worker_.products.multiply(square, {inverse_.data(), width_, size}, {inverse.data(), width_, size},
                            {both.data(), width_, size});
  inverse_ = std::move(both);
  worker_.stream.wait();
  const auto checks = found.matrix();
  for (Index h = 0; h < heads_; ++h) {
    const auto head = static_cast<std::size_t>(h);
    if (!decomposed_[head]) continue;
    conditions_[head] *= checks(h, kNorm) * checks(h, kInverseNorm);
    determinants_[head] += checks(h, kLogDeterminant);
    decomposed_[head] = checks(h, kPositive) == 1 &&
                        kernels::second_pass_for(checks(h, kDeviation), width_) != kernels::SecondPass::hopeless &&
                        (kernels::surely_full_rank(conditions_[head]) || has_full_rank(h));
  }
  const Buffer<double> of_probes =
      tall_products({basis_.data(), width_, padded_ * width_}, {rows_.data() + width_, stride_, padded_ * stride_}, 2);
  copy(basis_probes_.data(), of_probes.data(), static_cast<std::size_t>(basis_probes_.size()) * sizeof(double),
       worker_.stream);
}

bool TallFactors::has_full_rank(Index head) const {
  Matrix r(width_, width_);
  r_.read(as_span(r), head * width_ * width_);
  return kernels::has_full_rank(r, length_);
}

Buffer<double> TallFactors::bases() const {
  Buffer<double> out(heads_ * padded_ * width_, worker_.stream);
  if (basis_.size() > 0) {
    copy(out.data(), basis_.data(), static_cast<std::size_t>(out.size()) * sizeof(double), worker_.stream);
  } else {
    worker_.products.multiply({padded_, width_, width_, heads_}, rows(), {inverse_.data(), width_, width_ * width_},
                              {out.data(), width_, padded_ * width_});
  }
  return out;
}

TallFactors::BasisProducts TallFactors::basis_products(const Buffer<double>& y, Index shared) const {
  if (basis_.size() > 0) return {{basis_.data(), width_, padded_ * width_}, {}, y.data()};
  const Index per_head = 2 * width_;
  BasisProducts out{rows(), Buffer<double>(y.size(), worker_.stream), nullptr};
  // Where heads share a factor, as in the products of keys, one product for each factor; else one for all.
  const Index factors = shared == 1 ? 1 : heads_, together = shared == 1 ? heads_ : shared;
  for (Index f = 0; f < factors; ++f) {
    worker_.products.multiply({width_, 2, width_, together},
                              {inverse_.data() + f * width_ * width_, width_, shared == 1 ? width_ * width_ : 0},
                              {y.data() + f * shared * per_head, 2, per_head},
                              {out.made.data() + f * shared * per_head, 2, per_head});
  }
  out.vectors = out.made.data();
  return out;
}

Buffer<double> TallFactors::solve_transposed(const Buffer<double>& v) const {
  Buffer<double> out(heads_ * width_ * 2, worker_.stream);
  out.zero();
  worker_.products.transpose_multiply({width_, 1, width_, heads_}, {inverse_.data(), width_, width_ * width_},
                                      {v.data(), 1, width_}, {out.data(), 2, 2 * width_});
  return out;
}

}  // namespace logitfield::kernels::cuda
