#pragma once
#include <limits>

namespace CLI {
class Validator;
}

namespace logitfield {

/// Lets numbers from `least` to `most` pass. CLI11's own range writes its limits out in full, to 300 digits.
CLI::Validator between(double least, double most = std::numeric_limits<double>::infinity());

/// Turns a size with a unit ("512GiB", "64000MB") into bytes.
CLI::Validator size_in_bytes();

}  // namespace logitfield
