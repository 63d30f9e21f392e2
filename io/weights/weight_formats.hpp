#pragma once
#include <memory>

#include "io/weights/parts.hpp"

namespace logitfield::io {

/// Opens a weight in whichever format the files hold it; null if they do not. Throws InputError naming file, tensor
/// and what is wrong for another shape, for a type that holds no weights, and for a format without one of its tensors.
std::unique_ptr<StoredWeight> open_weight(const WeightRequest& request);

}  // namespace logitfield::io
