#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// AWQ of version "gemm": scale * (number - zero point), rounded to the type of the scales. MODULE.qweight, I32
/// [inputs, outputs / 8], holds the numbers of 8 outputs in a word, even outputs first. qzeros (packed in the same way)
/// and scales have a row for each group of inputs. Returns null if no file holds qweight.
std::unique_ptr<StoredWeight> open_awq_weight(const WeightRequest& request);

}  // namespace logitfield::io
