#pragma once
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/layer_tensors.hpp"
#include "kernels/block.hpp"
#include "pipeline/plan/shard.hpp"

namespace logitfield {

// Weights are read in the operand type of the precision's matrix products; everything else is read as float32.

/// Reads the weights and biases of these rows and stacks them. Either all maps have a bias, or none has.
void read_rows(const io::Checkpoint& checkpoint, const std::vector<MapRows>& parts, kernels::Precision precision,
               kernels::Linear& out);

/// Reads all rows of some columns; the bias only if `with_bias`.
void read_columns(const io::Checkpoint& checkpoint, const io::LinearTensors& map, io::Slice columns, bool with_bias,
                  kernels::Precision precision, kernels::Linear& out);

/// Reads some rows of a matrix.
kernels::WeightMatrix read_matrix(const io::StoredWeight& matrix, io::Slice rows, kernels::Precision precision);

/// Reads some rows of a vector.
kernels::VectorF read_vector(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor, io::Slice rows);

/// Reads a norm; returns an absent one if `tensors` is absent. `part`: the entries of gain and bias to keep, counted
/// over all heads if each head has its own; nullopt: all.
kernels::Norm read_norm(const io::Checkpoint& checkpoint, const std::optional<io::NormTensors>& tensors,
                        std::optional<io::Slice> part = std::nullopt);

}  // namespace logitfield
