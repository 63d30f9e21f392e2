#include "pipeline/scalapack/distributed_field.hpp"

#include <fmt/format.h>

#include <limits>
#include <span>
#include <stdexcept>

#include "kernels/field/sliding_sum.hpp"
#include "pipeline/scalapack/svd.hpp"

namespace logitfield {
namespace {

using kernels::as_span;
using kernels::Index;
using kernels::LogitForm;
using kernels::Matrix;
using kernels::Range;
using kernels::Scope;
using kernels::Vector;
using scalapack::DistributedMatrix;

int checked_length(const Matrix& queries, const Matrix& keys) {
  if (queries.rows() != keys.rows() || queries.cols() != keys.cols() || queries.size() == 0 ||
      queries.rows() > std::numeric_limits<int>::max()) {
    throw std::invalid_argument(fmt::format("cannot form the dense field of queries [{}, {}] and keys [{}, {}]",
                                            queries.rows(), queries.cols(), keys.rows(), keys.cols()));
  }
  return static_cast<int>(keys.rows());
}

/// Factors of the product left right^T, both [L, r].
struct Factors {
  Matrix left, right;
};

/// Factors of the logits with each row's mean over all keys subtracted. They come from centred keys, so no digits are
/// lost if all keys lie close together. ALiBi's slope * j is one more key column; slope * i is constant along a
/// row.
Factors centred_factors(const Matrix& queries, const Matrix& keys, const LogitForm& form) {
  const Index length = keys.rows(), width = keys.cols();
  Factors out{Matrix(length, width + 1), Matrix(length, width + 1)};
  out.left << form.scale * queries, Vector::Constant(length, form.alibi_slope);
  const double half = 0.5 * static_cast<double>(length - 1);
  out.right << keys.rowwise() - keys.colwise().mean(), Vector::LinSpaced(length, -half, half);
  return out;
}

/// The keys that enter each row's mean.
std::vector<Range> averaged_keys(const LogitForm& form, Scope scope, Index length) {
  std::vector<Range> out;
  for (Index i = 0; i < length; ++i) out.push_back(kernels::averaged_keys(form, scope, i, length));
  return out;
}

/// Mean of row i of the product over keys up to key i: the left factor times the mean of the right ones, whose running
/// sum is updated by additions.
Vector causal_means(const Factors& factors, const std::vector<Range>& averaged) {
  kernels::SlidingSum<Eigen::RowVectorXd> sliding;
  Eigen::RowVectorXd work;
  Vector means(factors.right.rows());
  Index first = 0;
  for (Index i = 0; i < means.size(); ++i) {
    const Range keys = averaged[static_cast<std::size_t>(i)];
    sliding.push(factors.right.row(i));
    for (; first < keys.begin; ++first) sliding.pop();
    means[i] = factors.left.row(i).dot(sliding.sum(work)) / static_cast<double>(keys.size());
  }
  return means;
}

/// Computes the local part of the factors' product as one matrix product.
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

bool holds(const Range& keys, Index j) { return keys.begin <= j && j < keys.end; }

/// Sum of each row over the keys that enter its mean: [L].
Vector sums_of_rows(const DistributedMatrix& matrix, const std::vector<Range>& averaged) {
  Vector sums = Vector::Zero(matrix.layout().rows);
  for_each_entry(matrix, [&](double x, int i, int j) {
    if (holds(averaged[static_cast<std::size_t>(i)], j)) sums[i] += x;
  });
  matrix.grid().team().sum_alike(as_span(sums));
  return sums;
}

Vector row_means(const DistributedMatrix& logits, const std::vector<Range>& averaged) {
  Vector means = sums_of_rows(logits, averaged);
  for (Index i = 0; i < means.size(); ++i)
    means[i] /= static_cast<double>(averaged[static_cast<std::size_t>(i)].size());
  return means;
}

void subtract_and_mask(DistributedMatrix& logits, const Vector& means, const std::vector<Range>& averaged,
                       Scope scope) {
  for_each_entry(logits, [&](double& x, int i, int j) {
    const bool masked = is_masked(scope) && !holds(averaged[static_cast<std::size_t>(i)], j);
    x = masked ? 0 : x - means[i];
  });
}

/// Capped logits have no factors: forms the logits themselves, then subtracts their means.
void form_capped(const Matrix& queries, const Matrix& keys, const LogitForm& form, Scope scope,
                 DistributedMatrix& field) {
  multiply({form.scale * queries, keys}, field);
  for_each_entry(field, [&](double& x, int i, int j) { x = form.cap(x + form.alibi_slope * (j - i)); });
  const std::vector<Range> averaged = averaged_keys(form, scope, queries.rows());
  subtract_and_mask(field, row_means(field, averaged), averaged, scope);
}

void form_from_factors(const Factors& factors, const LogitForm& form, Scope scope, DistributedMatrix& field) {
  multiply(factors, field);
  if (scope == Scope::full) return;  // the factors are centred
  const std::vector<Range> averaged = averaged_keys(form, scope, factors.left.rows());
  subtract_and_mask(field, causal_means(factors, averaged), averaged, scope);
}

}  // namespace

DenseField::DenseField(const scalapack::ProcessGrid& grid, const Matrix& queries, const Matrix& keys,
                       const LogitForm& form, Scope scope)
    : field_(grid, checked_length(queries, keys), checked_length(queries, keys)) {
  if (form.has_factors()) {
    form_from_factors(centred_factors(queries, keys, form), form, scope, field_);
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

// A masked field is zero outside the keys that enter its means.
Vector DenseField::row_sums(Scope scope) const {
  return sums_of_rows(field_, averaged_keys({}, scope, field_.layout().rows));
}

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
    throw std::invalid_argument(fmt::format("cannot form a dense field of length {}", length));
  }
  const int n = static_cast<int>(length);
  const scalapack::BlockCyclic layout{n, n, scalapack::kBlock, scalapack::near_square(ranks), {0, 0}};
  return sizeof(double) * (layout.local_size() + scalapack::svd_workspace(layout));
}

}  // namespace logitfield
