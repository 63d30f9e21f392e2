#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/embedding.hpp"
#include "pipeline/run_context.hpp"

namespace logitfield {

/// The final norm and the output matrix, whose rows are split over the shards of the last stage.
class OutputLayer {
 public:
  OutputLayer(const ForwardContext& context, Slice vocabulary);

  /// Reads this shard's output rows once, for all calls.
  void keep_weights();

  /// Logits [L, columns] of the tokens first_token, first_token + 1, ... for the text of this place in `texts`.
  using Visit = std::function<void(std::size_t text, const kernels::MatrixF& logits, std::int64_t first_token)>;
  /// Visits the logits of the texts whose last hidden states these are, a tile of this shard's tokens at a time; the
  /// output rows are read once for all texts.
  void for_each_tile(std::vector<TextStates> texts, const Visit& visit) const;

 private:
  kernels::MatrixF logits(const kernels::MatrixF& states, const kernels::Linear& rows) const;

  const ForwardContext& context_;
  Slice vocabulary_;
  FinalStates final_;
  std::optional<double> softcap_;
  std::optional<kernels::Linear> kept_;
};

}  // namespace logitfield
