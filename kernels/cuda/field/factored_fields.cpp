#include "kernels/cuda/field/factored_fields.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/spectra/singular_values.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Whether the fourth power of the largest value, with which values are compared, lies well inside float64's range.
bool has_fourth_power(double sigma_1) {
  const double fourth = sigma_1 * sigma_1 * sigma_1 * sigma_1;
  return fourth > 1e-280 && fourth < 1e280;
}

/// Merges ascending runs into ascending order.
Vector merged(Vector runs) {
  for (Index sorted = kSortedRun; sorted < runs.size(); sorted += kSortedRun) {
    std::inplace_merge(runs.begin(), runs.begin() + sorted, runs.begin() + std::min(sorted + kSortedRun, runs.size()));
  }
  return runs;
}

}  // namespace

FactoredFields::FactoredFields(const Worker& spectra, const TallFactors& queries, const TallFactors& keys, Index length)
    : heads_(queries.heads()), members_(queries.heads() / keys.heads()), length_(length), width_(queries.width()) {
  const Index size = width_ * width_;
  for (Index h = 0; h < heads_; ++h) {
    decomposed_.push_back(queries.decomposed(h) && keys.decomposed(h / members_));
    query_norms_.push_back(queries.norm(h));
    key_norms_.push_back(keys.norm(h / members_));
    determinants_.push_back(queries.log_determinant(h) + keys.log_determinant(h / members_));
  }
  const Worker& worker = queries.worker();
  follow(worker, keys.worker());
  // The core c = r_a r_b^T, and its products with the other side's probes.
  Buffer<double> core(heads_ * size, worker.stream), of_queries(heads_ * 2 * width_, worker.stream),
      of_keys(heads_ * 2 * width_, worker.stream), squares(heads_ * size, worker.stream),
      fourth(heads_ * width_, worker.stream);
  for (Index k = 0; k < keys.heads(); ++k) {
    const Index first = k * members_;
    worker.products.multiply_transposed(
        {width_, width_, width_, members_}, {queries.r().data() + first * size, width_, size},
        {keys.r().data() + k * size, width_, 0}, {core.data() + first * size, width_, size});
    worker.products.multiply({width_, 2, width_, members_}, {core.data() + first * size, width_, size},
                             {keys.basis_probes().data + k * 2 * width_, 2, 0},
                             {of_queries.data() + first * 2 * width_, 2, 2 * width_});
  }
  worker.products.transpose_multiply({width_, 2, width_, heads_}, {core.data(), width_, size},
                                     {queries.basis_probes().data, 2, 2 * width_}, {of_keys.data(), 2, 2 * width_});
  worker.products.multiply_transposed({width_, width_, width_, heads_}, {core.data(), width_, size},
                                      {core.data(), width_, size}, {squares.data(), width_, size});
  squared_norms(squares.data(), heads_ * width_, width_, fourth.data(), worker.stream);
  fourth_powers_ = start_download(fourth, heads_, width_, worker);
  follow(spectra, worker);
  follow(keys.worker(), worker);
  sigma_ = start_download(singular_values(spectra, core.data(), width_, heads_), heads_, width_, spectra);
  queries_ = measure(queries, keys, of_queries, true);
  keys_ = measure(keys, queries, of_keys, false);
  // Buffers freed now are freed in the order of their worker's stream, after the other workers have used them.
  follow(worker, spectra);
  follow(worker, keys.worker());
  follow(keys.worker(), worker);
}

auto FactoredFields::measure(const TallFactors& own, const TallFactors& other, const Buffer<double>& image,
                             bool of_queries) const -> Sides {
  const Worker& worker = own.worker();
  const Index padded = own.padded(), shared = of_queries ? 1 : members_, other_shared = of_queries ? members_ : 1;
  const Index size = width_ * width_;
  Buffer<double> turned(heads_ * padded * width_, worker.stream), energy(heads_ * padded, worker.stream),
      sorted(heads_ * length_, worker.stream), direct(heads_ * padded * 2, worker.stream),
      rebuilt(heads_ * padded * 2, worker.stream);
  // Rows times the other r^T have the norms of the field's rows. All heads that share a matrix are one product.
  for (Index k = 0; k < heads_ / members_; ++k) {
    const Index first = k * members_;
    const Products::Rows<const double> rows{own.rows().data + first / shared * own.rows().batch_stride,
                                            own.rows().stride, of_queries ? own.rows().batch_stride : 0};
    worker.products.multiply_transposed({padded, width_, width_, members_}, rows,
                                        {other.r().data() + first / other_shared * size, width_, of_queries ? 0 : size},
                                        {turned.data() + first * padded * width_, width_, padded * width_});
  }
  const int columns = static_cast<int>(width_);
  squared_norms(turned.data(), heads_ * padded, width_, energy.data(), worker.stream);
  sort_runs(energy.data(), heads_, padded, length_, sorted.data(), worker.stream);
  multiply_vectors({heads_, padded, own.rows().stride, columns, other.rows_probes().stride, shared, other_shared},
                   own.rows().data, other.rows_probes().data, direct.data(), worker.stream);
  const TallFactors::BasisProducts basis = own.basis_products(image, shared);
  multiply_vectors({heads_, padded, basis.rows.stride, columns, 2, shared, 1}, basis.rows.data, basis.vectors,
                   rebuilt.data(), worker.stream);
  const Index chunks = padded / kRowPadding;
  Buffer<double> parts(heads_ * chunks * 4, worker.stream), squares(heads_ * 4, worker.stream);
  difference_squares(direct.data(), rebuilt.data(), heads_, padded, length_, parts.data(), worker.stream);
  sum_matrices(parts.data(), heads_, chunks, 4, squares.data(), worker.stream);
  return {start_download(energy, heads_, padded, worker), start_download(sorted, heads_, length_, worker),
          start_download(rebuilt, heads_, 2 * padded, worker), start_download(squares, heads_, 4, worker),
          start_download(image, heads_, 2 * width_, worker)};
}

kernels::Side FactoredFields::side(const Sides& sides, Index head) const {
  kernels::Side out;
  out.energy = sides.energy.matrix().row(head).head(length_);
  out.ascending = merged(sides.sorted.matrix().row(head));
  out.products = sides.products.matrix_of(head, 2).topRows(length_);
  kernels::judge_probes(sides.squares.matrix_of(head, 2), sides.image.matrix_of(head, 2), out);
  return out;
}

// With unit round-off u, values err by at most about w u sigma_1: their fourth powers by 4 w u sigma_1 sum sigma^3, and
// the logarithm of sigma_i by w u sigma_1 / sigma_i.
double FactoredFields::value_error(std::span<const double> sigma, Index head) const {
  const double unit = 16 * static_cast<double>(width_) * kEpsilon;
  double fourth = 0, cubes = 0, logarithm = 0, relative = 0;
  for (const double s : sigma) {
    cubes += s * s * s;
    fourth += s * s * s * s;
    logarithm += std::log(s);
    relative += sigma[0] / s;
  }
  const double powers = std::abs(fourth - fourth_powers_.matrix().row(head).sum()) / (unit * 4 * sigma[0] * cubes);
  const double determinant = std::abs(logarithm - determinants_[static_cast<std::size_t>(head)]) / (unit * relative);
  return unit * relative < 1 ? larger(powers, determinant) : powers;
}

std::optional<RouteResult> FactoredFields::result(Index head, const Rounding& limits) const {
  const auto h = static_cast<std::size_t>(head);
  if (!decomposed_[h]) return std::nullopt;
  const double* values = sigma_.data + head * width_;
  std::vector<double> sigma(values, values + width_);
  if (sigma[0] > 0 && !has_fourth_power(sigma[0])) return std::nullopt;
  const auto side = [&](bool queries) { return this->side(queries ? queries_ : keys_, head); };
  RouteResult out =
      kernels::factored_result(std::move(sigma), side, {query_norms_[h], key_norms_[h], width_}, length_, limits);
  if (out.spectrum.energy > 0) {
    out.probes.error = larger(out.probes.error, value_error(out.sigma, head) * out.probes.bound);
  }
  return out;
}

}  // namespace logitfield::kernels::cuda
