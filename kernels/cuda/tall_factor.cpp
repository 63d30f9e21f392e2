#include "kernels/cuda/tall_factor.hpp"

#include "kernels/spectra/blas.hpp"

namespace logitfield::kernels::cuda {
namespace {

Vector download(const Buffer<double>& values, Index count) {
  Vector out(count);
  values.read({out.data(), static_cast<std::size_t>(count)});
  return out;
}

}  // namespace

Buffer<double> upload(const Matrix& host, const Worker& worker) {
  Buffer<double> out(as_span(host), worker.stream);
  worker.stream.wait();  // the host's matrix may be freed now
  return out;
}

Matrix download(const Buffer<double>& values, Index rows, Index columns) {
  Matrix out(rows, columns);
  values.read(as_span(out));
  return out;
}

// Splits rows into chunks, so that the whole device takes part.
Matrix tall_product(const Worker& worker, Index rows, Products::Rows<const double> x, Index m,
                    Products::Rows<const double> w, Index n) {
  const Index chunks = rows / kRowPadding;
  Buffer<double> parts(chunks * m * n, worker.stream), sum(m * n, worker.stream);
  x.batch_stride = kRowPadding * x.stride;
  w.batch_stride = kRowPadding * w.stride;
  worker.products.transpose_multiply({m, n, kRowPadding, chunks}, x, w, {parts.data(), n, m * n});
  sum_matrices(parts.data(), chunks, m * n, sum.data(), worker.stream);
  return download(sum, m, n);
}

TallFactor::TallFactor(const Worker& worker, const FactorForm& form)
    : worker_(&worker),
      length_(form.length),
      padded_(padded_rows(form.length)),
      width_(form.width()),
      rows_(padded_ * (width_ + 2), worker.stream) {}

std::optional<TallFactor> TallFactor::make(const Worker& worker, FactorForm form, const double* probes) {
  if (form.length <= form.width()) return std::nullopt;
  TallFactor out(worker, form);
  const FactorForm bare = form;
  for (int p = 0; p < 2; ++p) form.extra[form.extras++] = {.values = probes + p * form.length};
  make_factor(form, out.rows_.data(), worker.stream);
  const Matrix products = tall_product(worker, out.padded_, out.rows(), out.width_, out.rows(), out.width_ + 2);
  out.rows_probes_ = products.rightCols(2);
  const Matrix gram = products.leftCols(out.width_);
  out.norm_ = std::sqrt(gram.trace());
  if (!out.decompose(bare, gram)) return std::nullopt;
  return out;
}

bool TallFactor::decompose(const FactorForm& form, const Matrix& gram) {
  std::optional<Matrix> r = cpu::cholesky(gram);
  if (!r) return false;
  r_ = std::move(*r);
  if (cpu::one_pass_is_enough(r_)) {
    inverse_ = Matrix::Identity(width_, width_);
    cpu::solve(r_, inverse_);
    basis_probes_ = inverse_.transpose() * rows_probes_;
    return true;
  }
  basis_ = Buffer<double>(padded_ * width_, worker_->stream);
  make_factor(form, basis_.data(), worker_->stream);
  const Buffer<double> first = upload(r_, *worker_);
  worker_->products.divide(padded_, width_, {first.data(), width_}, {basis_.data(), width_});
  if (!second_pass() || !cpu::has_full_rank(r_, length_)) return false;
  basis_probes_ = tall_product(*worker_, padded_, {basis_.data(), width_}, width_, probe_columns(), 2);
  return true;
}

bool TallFactor::second_pass() {
  const Products::Rows<const double> basis{basis_.data(), width_};
  const Matrix gram = tall_product(*worker_, padded_, basis, width_, basis, width_);
  const cpu::SecondPass pass = cpu::second_pass_for(gram);
  if (pass == cpu::SecondPass::not_needed) return true;
  if (pass == cpu::SecondPass::hopeless) return false;
  const std::optional<Matrix> r = cpu::cholesky(gram);
  if (!r) return false;
  const Buffer<double> second = upload(*r, *worker_);
  worker_->products.divide(padded_, width_, {second.data(), width_}, {basis_.data(), width_});
  r_ = (r->triangularView<Eigen::Upper>() * r_).eval();
  return true;
}

cpu::Side TallFactor::measure_side(const TallFactor& other, const Matrix& image) const {
  const Worker& worker = *worker_;
  const bool kept = basis_.size() > 0;
  const Matrix coefficients = kept ? image : Matrix(inverse_ * image);
  const Buffer<double> of_probes = upload(other.rows_probes_, worker), of_image = upload(coefficients, worker),
                       core = upload(other.r_, worker);
  Buffer<double> direct(padded_ * 2, worker.stream), rebuilt(padded_ * 2, worker.stream);
  Buffer<double> turned(padded_ * other.width_, worker.stream), energy(padded_, worker.stream);
  worker.products.multiply({padded_, 2, width_}, rows(), {of_probes.data(), 2}, {direct.data(), 2});
  worker.products.multiply({padded_, 2, width_}, kept ? Products::Rows<const double>{basis_.data(), width_} : rows(),
                           {of_image.data(), 2}, {rebuilt.data(), 2});
  worker.products.multiply_transposed({padded_, other.width_, width_}, rows(), {core.data(), other.width_},
                                      {turned.data(), other.width_});
  row_dots(turned.data(), other.width_, turned.data(), other.width_, padded_, static_cast<int>(other.width_), false,
           energy.data(), worker.stream);

  cpu::Side out;
  out.energy = download(energy, length_);
  const Matrix found = download(direct, padded_, 2), again = download(rebuilt, padded_, 2);
  Matrix sums(2, 2);
  sums << found.colwise().squaredNorm(), (found - again).colwise().squaredNorm();
  out.products = again.topRows(length_);
  cpu::judge_probes(sums, image, out);
  return out;
}

TallFactor::BasisRows TallFactor::basis_rows(const Vector& direction) const {
  const Worker& worker = *worker_;
  Buffer<double> formed;
  if (basis_.size() == 0) {
    formed = Buffer<double>(padded_ * width_, worker.stream);
    const Buffer<double> inverse = upload(inverse_, worker);
    worker.products.multiply({padded_, width_, width_}, rows(), {inverse.data(), width_}, {formed.data(), width_});
  }
  const double* basis = formed.size() > 0 ? formed.data() : basis_.data();
  Buffer<double> squares(padded_, worker.stream), along(padded_, worker.stream);
  row_dots(basis, width_, basis, width_, padded_, static_cast<int>(width_), false, squares.data(), worker.stream);
  const Buffer<double> to = upload(direction, worker);
  row_dots(basis, width_, to.data(), 0, padded_, static_cast<int>(width_), false, along.data(), worker.stream);
  return {download(squares, length_), download(along, length_)};
}

}  // namespace logitfield::kernels::cuda
