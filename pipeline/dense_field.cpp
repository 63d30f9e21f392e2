#include "pipeline/dense_field.hpp"

#include <fmt/format.h>

#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

#include "pipeline/scalapack/svd.hpp"

namespace logitfield {
namespace {

using kernels::Index;
using kernels::LogitForm;
using kernels::Matrix;
using kernels::Scope;
using kernels::Vector;
using scalapack::DistributedMatrix;

int checked_length(const Matrix& queries, const Matrix& keys) {
  if (queries.rows() != keys.rows() || queries.cols() != keys.cols() || queries.size() == 0 ||
      queries.rows() > std::numeric_limits<int>::max()) {
    throw std::invalid_argument(fmt::format("no dense field of queries [{}, {}] and keys [{}, {}]", queries.rows(),
                                            queries.cols(), keys.rows(), keys.cols()));
  }
  return static_cast<int>(keys.rows());
}

/// left right^T, both [L, r].
struct Factors {
  Matrix left, right;
};

/// The logits, each row less its mean over all keys: they follow from the keys less their mean, which loses no digits
/// where all keys lie close together. ALiBi's slope * j is one more key column; slope * i is the same along a row.
Factors centred_factors(const Matrix& queries, const Matrix& keys, const LogitForm& form) {
  const Index length = keys.rows(), width = keys.cols();
  Factors out{Matrix(length, width + 1), Matrix(length, width + 1)};
  out.left << form.scale * queries, Vector::Constant(length, form.alibi_slope);
  const double half = 0.5 * static_cast<double>(length - 1);
  out.right << keys.rowwise() - keys.colwise().mean(), Vector::LinSpaced(length, -half, half);
  return out;
}

/// Mean of row i of the product over j <= i: its left factor times the running mean of the right ones.
Vector causal_means(const Factors& factors) {
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(factors.right.cols());
  Vector means(factors.right.rows());
  for (Index i = 0; i < means.size(); ++i) {
    sum += factors.right.row(i);
    means[i] = factors.left.row(i).dot(sum) / static_cast<double>(i + 1);
  }
  return means;
}

/// The local part of the factors' product, as one matrix product.
void multiply(const Factors& factors, DistributedMatrix& product) {
  const Matrix left = factors.left(product.layout().global_rows(), Eigen::all);
  const Matrix right = factors.right(product.layout().global_columns(), Eigen::all);
  product.local().noalias() = left * right.transpose();
}

/// Calls f(entry, i, j) for every local entry, i and j its global row and column.
template <class M, class F>
void for_each_entry(M& matrix, F f) {
  const std::vector<int> rows = matrix.layout().global_rows(), columns = matrix.layout().global_columns();
  auto local = matrix.local();
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (std::size_t r = 0; r < rows.size(); ++r) f(local(r, c), rows[r], columns[c]);
  }
}

std::span<double> as_span(Vector& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

/// Sum of each row over its keys: all of them, or j <= i. [L]
Vector sums_of_rows(const DistributedMatrix& matrix, Scope scope) {
  Vector sums = Vector::Zero(matrix.layout().rows);
  for_each_entry(matrix, [&](double x, int i, int j) {
    if (scope == Scope::full || j <= i) sums[i] += x;
  });
  matrix.grid().team().sum_alike(as_span(sums));
  return sums;
}

Vector row_means(const DistributedMatrix& logits, Scope scope) {
  const Vector sums = sums_of_rows(logits, scope);
  const double length = static_cast<double>(sums.size());
  if (scope == Scope::full) return sums / length;
  return sums.cwiseQuotient(Vector::LinSpaced(sums.size(), 1, length));
}

void subtract_and_mask(DistributedMatrix& logits, const Vector& means, Scope scope) {
  for_each_entry(logits, [&](double& x, int i, int j) { x = scope == Scope::causal && j > i ? 0 : x - means[i]; });
}

/// Capping leaves no factors: the logits themselves, then their means.
void form_capped(const Matrix& queries, const Matrix& keys, const LogitForm& form, Scope scope,
                 DistributedMatrix& field) {
  multiply({form.scale * queries, keys}, field);
  for_each_entry(field, [&](double& x, int i, int j) { x = form.cap(x + form.alibi_slope * (j - i)); });
  subtract_and_mask(field, row_means(field, scope), scope);
}

void form_from_factors(const Factors& factors, Scope scope, DistributedMatrix& field) {
  multiply(factors, field);
  if (scope != Scope::full) subtract_and_mask(field, causal_means(factors), scope);
}

}  // namespace

DenseField::DenseField(const scalapack::ProcessGrid& grid, const Matrix& queries, const Matrix& keys,
                       const LogitForm& form, Scope scope)
    : field_(grid, checked_length(queries, keys), checked_length(queries, keys)) {
  if (form.has_factors()) {
    form_from_factors(centred_factors(queries, keys, form), scope, field_);
  } else {
    form_capped(queries, keys, form, scope, field_);
  }
}

double DenseField::energy() const {
  double sum = field_.local().squaredNorm();
  field_.grid().team().sum_alike(std::span(&sum, 1));
  return sum;
}

Vector DenseField::key_energies() const {
  Vector out = Vector::Zero(field_.layout().columns);
  out(field_.layout().global_columns()) = field_.local().colwise().squaredNorm();
  field_.grid().team().sum_alike(as_span(out));
  return out;
}

Vector DenseField::query_energies() const {
  Vector out = Vector::Zero(field_.layout().rows);
  out(field_.layout().global_rows()) = field_.local().rowwise().squaredNorm();
  field_.grid().team().sum_alike(as_span(out));
  return out;
}

Vector DenseField::row_sums(Scope scope) const { return sums_of_rows(field_, scope); }

Matrix DenseField::times(const Matrix& x) const {
  const Matrix part = x(field_.layout().global_columns(), Eigen::all);
  Matrix out = Matrix::Zero(field_.layout().rows, x.cols());
  out(field_.layout().global_rows(), Eigen::all) = field_.local() * part;
  field_.grid().team().sum_alike(std::span(out.data(), static_cast<std::size_t>(out.size())));
  return out;
}

std::vector<double> DenseField::singular_values() && { return scalapack::singular_values(field_); }

std::uint64_t dense_field_bytes(std::int64_t length, int ranks) {
  if (length < 1 || length > std::numeric_limits<int>::max()) {
    throw std::invalid_argument(fmt::format("no dense field of length {}", length));
  }
  const int n = static_cast<int>(length);
  const scalapack::BlockCyclic layout{n, n, scalapack::kBlock, scalapack::near_square(ranks), {0, 0}};
  return sizeof(double) * (layout.local_size() + scalapack::svd_workspace(layout, false));
}

}  // namespace logitfield
