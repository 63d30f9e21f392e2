#pragma once
#include <cstddef>

// Blocks whose nibbles are indices into a list of 16 values.
namespace logitfield::io {

void dequantise_iq4_nl(const std::byte* block, float* target);
void dequantise_iq4_xs(const std::byte* block, float* target);
void dequantise_mxfp4(const std::byte* block, float* target);

}  // namespace logitfield::io
