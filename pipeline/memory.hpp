#pragma once
#include "pipeline/plan.hpp"

namespace logitfield {

/// Bytes that the rank which needs most will hold: weights and activations in float32, fields in float64, buffers.
/// Reads the plan's partition, residency and fields.
double memory_of(const Job& job, const Plan& plan);

}  // namespace logitfield
