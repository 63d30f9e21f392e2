#pragma once
#include <string_view>

namespace logitfield::kernels {

/// Operand type of the matrix products of the forward pass. All products sum in float32. Field statistics are always
/// float64.
enum class Precision { float32, tf32, bf16 };
/// "float32", "tf32", "bf16"
std::string_view precision_name(Precision precision);
/// Throws std::invalid_argument for another name.
Precision precision_named(std::string_view name);
/// Bytes of a number of the operand type.
constexpr double operand_bytes(Precision precision) { return precision == Precision::bf16 ? 2 : 4; }

}  // namespace logitfield::kernels
