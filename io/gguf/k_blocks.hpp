#pragma once
#include <cstddef>

// Blocks of 256 numbers: 8 or 16 parts whose scales are quantised too.
namespace logitfield::io {

/// Reads one block of 256 numbers of type Q2_K.
void dequantise_q2_k(const std::byte* block, float* target);
/// Reads one block of 256 numbers of type Q3_K.
void dequantise_q3_k(const std::byte* block, float* target);
/// Reads one block of 256 numbers of type Q4_K.
void dequantise_q4_k(const std::byte* block, float* target);
/// Reads one block of 256 numbers of type Q5_K.
void dequantise_q5_k(const std::byte* block, float* target);
/// Reads one block of 256 numbers of type Q6_K.
void dequantise_q6_k(const std::byte* block, float* target);

}  // namespace logitfield::io
