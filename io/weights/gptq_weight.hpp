#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// GPTQ: scale * (number - zero point), rounded to the type of the scales, as its kernels do. MODULE.qweight, I32
/// [inputs / 8, outputs], holds the numbers of 8 inputs in a word (of 4 bits each). qzeros and scales have a row for
/// each group of inputs. g_idx, if present, gives the group of each input. Returns null if no file holds qweight.
std::unique_ptr<StoredWeight> open_gptq_weight(const WeightRequest& request);

}  // namespace logitfield::io
