#include "kernels/cpu/dense_field.hpp"

namespace logitfield::kernels::cpu {
namespace {

/// Logits, up to a constant per row where they are not capped.
Matrix logits(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form) {
  const Placement whole{0, queries.rows()};
  if (form.has_factors()) {
    const CentredKeys centred = centred_keys(alone(), keys, whole);
    return field_queries(queries, form).all() * field_keys(centred, form, whole).all().transpose();
  }
  Matrix out = form.scale * queries.cast<double>() * keys.cast<double>().transpose();
  for (Index i = 0; i < out.rows(); ++i) {
    for (Index j = 0; j < out.cols(); ++j) {
      out(i, j) = form.cap(out(i, j) + form.alibi_slope * static_cast<double>(j - i));
    }
  }
  return out;
}

/// Keys that the mean of row i is taken over.
Index averaged(const Matrix& field, Scope scope, Index i) { return scope == Scope::full ? field.cols() : i + 1; }

}  // namespace

Matrix dense_field(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope) {
  Matrix field = logits(queries, keys, form);
  for (Index i = 0; i < field.rows(); ++i) {
    field.row(i).array() -= field.row(i).head(averaged(field, scope, i)).mean();
    if (scope == Scope::causal) field.row(i).tail(field.cols() - i - 1).setZero();
  }
  return field;
}

Vector row_sums(const Matrix& field, Scope scope) {
  Vector out(field.rows());
  for (Index i = 0; i < field.rows(); ++i) out[i] = field.row(i).head(averaged(field, scope, i)).sum();
  return out;
}

}  // namespace logitfield::kernels::cpu
