#pragma once
#include "kernels/cpu/centring.hpp"

namespace logitfield::kernels::cpu {

/// The field [L, L] of a whole head, formed: for contexts where that is cheap, and logits without a factor form.
Matrix dense_field(const MatrixFRef& queries, const MatrixFRef& keys, const LogitForm& form, Scope scope);

}  // namespace logitfield::kernels::cpu
