#pragma once
#include <cstddef>

// Blocks of 32 numbers under one scale.
namespace logitfield::io {

/// Reads one block of 32 numbers of type Q4_0.
void dequantise_q4_0(const std::byte* block, float* target);
/// Reads one block of 32 numbers of type Q4_1.
void dequantise_q4_1(const std::byte* block, float* target);
/// Reads one block of 32 numbers of type Q5_0.
void dequantise_q5_0(const std::byte* block, float* target);
/// Reads one block of 32 numbers of type Q5_1.
void dequantise_q5_1(const std::byte* block, float* target);
/// Reads one block of 32 numbers of type Q8_0.
void dequantise_q8_0(const std::byte* block, float* target);

}  // namespace logitfield::io
