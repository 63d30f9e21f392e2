#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// MXFP4, as gpt-oss stores it: MODULE_blocks, U8 [..., columns / 32, 16], with two 4-bit numbers (E2M1) per byte, the
/// lower bits first; and MODULE_scales, U8 [..., columns / 32], exponents of two. Leading sizes are rows. Returns null
/// if no file holds the blocks.
std::unique_ptr<StoredWeight> open_mxfp4_weight(const WeightRequest& request);

}  // namespace logitfield::io
