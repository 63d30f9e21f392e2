#pragma once
#include <cstddef>

// Blocks of 32 numbers under one scale.
namespace logitfield::io {

void dequantise_q4_0(const std::byte* block, float* target);
void dequantise_q4_1(const std::byte* block, float* target);
void dequantise_q5_0(const std::byte* block, float* target);
void dequantise_q5_1(const std::byte* block, float* target);
void dequantise_q8_0(const std::byte* block, float* target);

}  // namespace logitfield::io
