#pragma once
#include "kernels/field/centring.hpp"

namespace logitfield::kernels::cpu {

/// The field [L, L] of a whole head, formed: for contexts where that is cheap, and logits without a factor form.
Matrix dense_field(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope);

/// Of each row over the keys that its mean was taken over: zero, but for rounding.
Vector row_sums(const Matrix& field, Scope scope);

}  // namespace logitfield::kernels::cpu
