#pragma once
#include <vector>

#include "io/checkpoint/checkpoint.hpp"
#include "io/checkpoint/layer_tensors.hpp"
#include "kernels/block.hpp"
#include "pipeline/plan/shard.hpp"

namespace logitfield {

// Weights come in the numbers that products of a precision take in; all else as float32.

/// Weights and biases of rows stacked. All maps have a bias, or none.
void read_rows(const io::Checkpoint& checkpoint, const std::vector<MapRows>& parts, kernels::Precision precision,
               kernels::Linear& out);

/// All rows, some columns; the bias only where `with_bias`.
void read_columns(const io::Checkpoint& checkpoint, const io::LinearTensors& map, io::Slice columns, bool with_bias,
                  kernels::Precision precision, kernels::Linear& out);

/// Some rows of a matrix.
kernels::WeightMatrix read_matrix(const io::Checkpoint& checkpoint, const io::Tensor& tensor, io::Slice rows,
                                  kernels::Precision precision);

/// Some rows of a vector.
kernels::VectorF read_vector(const io::Checkpoint& checkpoint, const io::ExpectedTensor& tensor, io::Slice rows);

/// Absent where `tensors` is. `part`: the entries of gain and bias to keep (of one stacked after the other where there
/// is one per head); nullopt: all.
kernels::Norm read_norm(const io::Checkpoint& checkpoint, const std::optional<io::NormTensors>& tensors,
                        std::optional<io::Slice> part = std::nullopt);

}  // namespace logitfield
