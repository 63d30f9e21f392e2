#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// GPTQ: scale * (number - zero point), rounded to the type of the scales, as its kernels do. MODULE.qweight, I32
/// [inputs * bits / 32, outputs], holds the numbers of an output, 2, 3, 4 or 8 bits each, down a column. qzeros and
/// scales have a row for each group of inputs. g_idx, if present, gives the group of each input. Returns null if no
/// file holds qweight.
std::unique_ptr<StoredWeight> open_gptq_weight(const WeightRequest& request);

}  // namespace logitfield::io
