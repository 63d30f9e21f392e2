#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// Integers of compressed-tensors: scale * (number - zero point), rounded to the type of the scales. int-quantized:
/// MODULE.weight, I8. pack-quantized: MODULE.weight_packed, I32, rows of numbers of 4 or 8 bits plus half their range,
/// the lowest bits first. weight_scale has a column for each group of columns, or one scale for the matrix.
/// weight_zero_point (packed along the rows, or I8) and weight_g_idx, the group of each column, may be absent. Returns
/// null if no file holds such numbers.
std::unique_ptr<StoredWeight> open_compressed_integer_weight(const WeightRequest& request);

}  // namespace logitfield::io
