#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/forward/embedding.hpp"
#include "pipeline/forward/forward_context.hpp"

namespace logitfield {

/// The final norm and the output matrix, whose rows are split over the shards of the last stage.
class OutputLayer {
 public:
  OutputLayer(const ForwardContext& context, Slice vocabulary);

  /// Reads this shard's output rows once, for all calls.
  void keep_weights();

  /// Receives logits [L, columns] of the tokens first_token, first_token + 1, ... for the text at this place in
  /// `texts`.
  using Visit = std::function<void(std::size_t text, const kernels::Activations& logits, std::int64_t first_token)>;
  /// Visits the logits of the texts with these last hidden states, a tile of this shard's tokens at a time. Reads the
  /// output rows once for all texts.
  void for_each_tile(std::vector<TextStates> texts, const Visit& visit) const;

 private:
  /// The output rows of the tile that begins with this token.
  std::unique_ptr<kernels::LoadedLinear> load_tile(std::int64_t begin) const;

  const ForwardContext& context_;
  Slice vocabulary_;
  FinalStates final_;
  std::optional<double> softcap_;
  /// The output rows by tile; empty if they are read each time.
  std::vector<std::unique_ptr<kernels::LoadedLinear>> kept_;
};

}  // namespace logitfield
