#pragma once
#include <vector>

namespace logitfield {

/// Error bounds of rotation angles computed in float32, as transformers does: radians per position, one for each pair.
/// A frequency is theta^-x; the power x, its reciprocal and any scaling are rounded. An angle is the product of
/// frequency and position, so its error grows with the position. This program computes its own angles in float64.
std::vector<double> float32_angle_errors(const std::vector<double>& frequencies);

}  // namespace logitfield
