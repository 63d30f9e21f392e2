#pragma once
#include "kernels/matrix.hpp"

namespace logitfield::kernels::cpu {

/// H k, H = I - 1 1^T / L: keys [L, d] minus their mean over positions. Keys that are constant to rounding give exactly
/// zero, so that a zero field is seen as one.
Matrix centred_keys(const MatrixRef& keys);

}  // namespace logitfield::kernels::cpu
