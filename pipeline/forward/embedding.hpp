#pragma once
#include "io/checkpoint/checkpoint.hpp"
#include "kernels/backend.hpp"

namespace logitfield {

/// Returns the hidden states [tokens, hidden_size] that enter the first layer: rows of the token embedding. Scales,
/// projects and normalises them and adds positions if the family does so.
std::unique_ptr<kernels::Activations> embed(const io::Checkpoint& checkpoint, const kernels::Backend& backend,
                                            std::span<const std::int32_t> tokens);

/// Prepares the last hidden states for the output matrix: applies the final norm and, where the family has one, the
/// projection to the size of the embedding.
class FinalStates {
 public:
  FinalStates(const io::Checkpoint& checkpoint, const kernels::Backend& backend);
  /// [L, embedding_size]
  std::unique_ptr<kernels::Activations> apply(const kernels::Backend& backend,
                                              std::unique_ptr<kernels::Activations> hidden) const;

 private:
  kernels::Norm norm_;
  /// Null if the family has no projection.
  std::unique_ptr<kernels::LoadedLinear> projection_;
};

/// Rows of the output matrix [rows.size(), embedding_size] and their bias.
kernels::Linear load_output_rows(const io::Checkpoint& checkpoint, io::Slice rows, kernels::Precision precision);

}  // namespace logitfield
