#pragma once
#include <vector>

namespace logitfield {

/// How far rotation angles in float32, as transformers computes them, may lie from exact ones: radians a position, by
/// pair. A frequency is theta^-x with x, the power, its reciprocal and any scaling rounded, an angle its product with
/// the position; so the error is in proportion to the angle. This program's angles are float64.
std::vector<double> float32_angle_errors(const std::vector<double>& frequencies);

}  // namespace logitfield
