#pragma once
#include <span>

#include "kernels/block.hpp"

namespace logitfield::kernels::cpu {

/// See Backend::add_loss.
void add_loss(const MatrixF& logits, Index first_token, std::span<const std::int32_t> targets, LossPart& loss);

}  // namespace logitfield::kernels::cpu
