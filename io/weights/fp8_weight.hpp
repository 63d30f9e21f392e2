#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// F8_E4M3 numbers times scales: one for the matrix, one for each row, or one for each block of rows and columns (the
/// last blocks of a row or column may be cut off). The scales are NAME_scale_inv or NAME_scale; numbers are multiplied
/// by either. Returns null if the weight is not F8_E4M3.
std::unique_ptr<StoredWeight> open_fp8_weight(const WeightRequest& request);

}  // namespace logitfield::io
