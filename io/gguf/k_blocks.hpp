#pragma once
#include <cstddef>

// Blocks of 256 numbers: 8 or 16 parts whose scales are quantised too.
namespace logitfield::io {

void dequantise_q2_k(const std::byte* block, float* target);
void dequantise_q3_k(const std::byte* block, float* target);
void dequantise_q4_k(const std::byte* block, float* target);
void dequantise_q5_k(const std::byte* block, float* target);
void dequantise_q6_k(const std::byte* block, float* target);

}  // namespace logitfield::io
