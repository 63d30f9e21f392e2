#pragma once
#include <cstddef>

// Blocks whose nibbles are indices into a list of 16 values.
namespace logitfield::io {

/// Reads one block of 32 numbers of type IQ4_NL.
void dequantise_iq4_nl(const std::byte* block, float* target);
/// Reads one block of 256 numbers of type IQ4_XS.
void dequantise_iq4_xs(const std::byte* block, float* target);
/// Reads one block of 32 numbers of type MXFP4.
void dequantise_mxfp4(const std::byte* block, float* target);

}  // namespace logitfield::io
