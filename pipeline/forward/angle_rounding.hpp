#pragma once
#include <vector>

namespace logitfield {

/// How far rotation angles computed in float32, as transformers does, may lie from exact ones: radians a position, by
/// pair. A frequency is theta^-x; the power x, its reciprocal and any scaling are rounded. An angle is the product of
/// frequency and position, so the error is proportional to the angle. This program's own angles are float64.
std::vector<double> float32_angle_errors(const std::vector<double>& frequencies);

}  // namespace logitfield
