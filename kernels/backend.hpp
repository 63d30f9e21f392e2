#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/block.hpp"
#include "kernels/field_request.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// What a device must be able to do; implemented by cpu/ (and on GPUs by cuda/). All host matrices, one rank's part.
class Backend {
 public:
  virtual ~Backend() = default;
  /// "cpu (OpenBLAS 0.3.21, Haswell, 1 thread)"
  virtual std::string description() const = 0;

  /// Attention half of a block over hidden states [L, hidden_size] of positions 0 ... L-1: norm, projections,
  /// positions, causal softmax attention without an L x L matrix. Writes this shard's summand of what is added to the
  /// hidden states into `partial` [L, hidden_size] and the heads' Q and K into `queries_keys`. Collective over
  /// `shards`, the ranks among which the heads are divided (norms over all heads need sums over them).
  virtual void attention(const BlockShape& shape, const LayerWeights& weights, const Team& shards,
                         const MatrixF& hidden, MatrixF& partial, QueriesKeys& queries_keys) const = 0;

  /// MLP half of a block, experts included: this shard's summand of what is added to the hidden states.
  virtual void mlp(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden,
                   MatrixF& partial) const = 0;

  /// Every row normalised.
  virtual MatrixF normalise(const MatrixF& hidden, const Norm& norm) const = 0;

  /// y = W x + b of every row.
  virtual MatrixF linear(const MatrixFRef& rows, const Linear& map) const = 0;

  /// Adds the tokens first_token ... first_token + columns - 1, whose logits these are ([positions, columns]), to the
  /// loss of predicting targets[i] at position i.
  virtual void add_loss(const MatrixF& logits, Index first_token, std::span<const std::int32_t> targets,
                        LossPart& loss) const = 0;

  /// See cpu/field_statistics.hpp.
  virtual std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                                    std::span<const FieldRequest> requests) const = 0;
  virtual std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const = 0;
  virtual HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                             RouteResult result) const = 0;

  /// See cpu/learned_interaction.hpp.
  virtual LearnedInteraction learned_interaction(const MatrixFRef& query_projection, const MatrixFRef& key_projection,
                                                 const VectorF& gain) const = 0;
};

/// The back end of that name: "auto", "cpu" or "cuda". Throws std::runtime_error saying why where it cannot be had.
std::unique_ptr<Backend> make_backend(std::string_view name);

}  // namespace logitfield::kernels
