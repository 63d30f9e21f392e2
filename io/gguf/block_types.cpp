#include "io/gguf/block_types.hpp"

#include <algorithm>
#include <array>

#include "io/gguf/codebook_blocks.hpp"
#include "io/gguf/k_blocks.hpp"
#include "io/gguf/legacy_blocks.hpp"

namespace logitfield::io {
namespace {

/// Types without a reader are listed so that they can be refused by name.
constexpr auto kBlockTypes = std::to_array<BlockType>({{0, "F32", 1, 4, nullptr, DType::F32},
                                                       {1, "F16", 1, 2, nullptr, DType::F16},
                                                       {2, "Q4_0", 32, 18, dequantise_q4_0},
                                                       {3, "Q4_1", 32, 20, dequantise_q4_1},
                                                       {6, "Q5_0", 32, 22, dequantise_q5_0},
                                                       {7, "Q5_1", 32, 24, dequantise_q5_1},
                                                       {8, "Q8_0", 32, 34, dequantise_q8_0},
                                                       {9, "Q8_1", 32, 40},
                                                       {10, "Q2_K", 256, 84, dequantise_q2_k},
                                                       {11, "Q3_K", 256, 110, dequantise_q3_k},
                                                       {12, "Q4_K", 256, 144, dequantise_q4_k},
                                                       {13, "Q5_K", 256, 176, dequantise_q5_k},
                                                       {14, "Q6_K", 256, 210, dequantise_q6_k},
                                                       {15, "Q8_K", 256, 292},
                                                       {16, "IQ2_XXS", 256, 66},
                                                       {17, "IQ2_XS", 256, 74},
                                                       {18, "IQ3_XXS", 256, 98},
                                                       {19, "IQ1_S", 256, 50},
                                                       {20, "IQ4_NL", 32, 18, dequantise_iq4_nl},
                                                       {21, "IQ3_S", 256, 110},
                                                       {22, "IQ2_S", 256, 82},
                                                       {23, "IQ4_XS", 256, 136, dequantise_iq4_xs},
                                                       {24, "I8", 1, 1},
                                                       {25, "I16", 1, 2},
                                                       {26, "I32", 1, 4},
                                                       {27, "I64", 1, 8},
                                                       {28, "F64", 1, 8},
                                                       {29, "IQ1_M", 256, 56},
                                                       {30, "BF16", 1, 2, nullptr, DType::BF16},
                                                       {34, "TQ1_0", 256, 54},
                                                       {35, "TQ2_0", 256, 66},
                                                       {39, "MXFP4", 32, 17, dequantise_mxfp4},
                                                       {40, "NVFP4", 64, 36},
                                                       {41, "Q1_0", 128, 18}});

}  // namespace

const BlockType* find_block_type(std::uint32_t id) {
  const auto found = std::ranges::find(kBlockTypes, id, &BlockType::id);
  return found == kBlockTypes.end() ? nullptr : &*found;
}

void dequantise(const BlockType& type, const std::byte* source, std::span<float> target) {
  if (type.plain) return to_float32(*type.plain, source, target);
  for (std::size_t at = 0; at < target.size(); at += type.numbers, source += type.bytes) {
    type.dequantise(source, target.data() + at);
  }
}

}  // namespace logitfield::io
