#pragma once
#include "kernels/field/centring.hpp"

namespace logitfield::kernels {

/// Forms the field [L, L] of a whole head: for contexts where that is cheap, and for logits without a factor form.
Matrix dense_field(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope);

/// Sum of each row over the keys that its mean was taken over: zero except for rounding.
Vector row_sums(const Matrix& field, Scope scope);

}  // namespace logitfield::kernels
