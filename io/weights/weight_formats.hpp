#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// Opens a weight in any format that the files hold; returns null if they hold none. Throws InputError naming file,
/// tensor and fault for another shape, for a type that holds no weights, and for a format that lacks one of its
/// tensors.
std::unique_ptr<StoredWeight> open_weight(const WeightRequest& request);

}  // namespace logitfield::io
