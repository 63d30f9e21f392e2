#include "kernels/field/dense_field.hpp"

namespace logitfield::kernels {
namespace {

/// Logits; if they are not capped, up to a constant per row.
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

}  // namespace

Matrix dense_field(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope) {
  Matrix field = logits(queries, keys, form);
  for (Index i = 0; i < field.rows(); ++i) {
    const Range seen = averaged_keys(form, scope, i, field.cols());
    field.row(i).array() -= field.row(i).segment(seen.begin, seen.size()).mean();
    if (!is_masked(scope)) continue;
    field.row(i).head(seen.begin).setZero();
    field.row(i).tail(field.cols() - seen.end).setZero();
  }
  return field;
}

Vector row_sums(const Matrix& field, Scope scope) {
  Vector out(field.rows());
  // A masked field is zero outside the keys of its means.
  for (Index i = 0; i < field.rows(); ++i)
    out[i] = field.row(i).head(scope == Scope::full ? field.cols() : i + 1).sum();
  return out;
}

}  // namespace logitfield::kernels
