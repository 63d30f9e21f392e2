#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/block.hpp"
#include "kernels/device.hpp"
#include "kernels/field_request.hpp"
#include "kernels/precision.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// A float32 matrix [positions, columns] that lies where its back end computes: hidden states, what is added to them,
/// logits.
class Activations {
 public:
  virtual ~Activations() = default;
  virtual Index rows() const = 0;
  virtual Index cols() const = 0;
  /// Shows the values in host memory, and takes what was changed there: in place on a CPU, by a copy from a GPU.
  virtual void read(const std::function<void(const MatrixF&)>& visit) const = 0;
  virtual void change(const std::function<void(MatrixF&)>& visit) = 0;
};

/// Weights where a back end computes; made by its `load`, of use to it alone.
class LoadedLayer {
 public:
  virtual ~LoadedLayer() = default;
};
/// The same of one linear map.
class LoadedLinear {
 public:
  virtual ~LoadedLinear() = default;
};

/// Queries and keys of a layer's heads, as they enter the dot product, where a back end computes; copies in host
/// memory.
class Heads {
 public:
  virtual ~Heads() = default;
  /// Rows begin ... begin + count - 1 [count, head_dim] of a query head, or of a KV head, of this shard.
  virtual MatrixF queries(Index head, Index begin, Index count) const = 0;
  virtual MatrixF keys(Index kv_head, Index begin, Index count) const = 0;
};

/// What the attention half of a block makes: this shard's summand of what is added to the hidden states, and the heads.
struct AttentionOutput {
  std::unique_ptr<Activations> partial;
  std::unique_ptr<Heads> heads;
};

/// Of a transformer block.
enum class Half { attention, mlp };

/// What a device must be able to do; implemented by cpu/ and cuda/. One rank's part. Handles that one back end made go
/// to no other.
class Backend {
 public:
  virtual ~Backend() = default;
  /// "cpu (OpenBLAS 0.3.21, Haswell, 1 thread)"
  virtual std::string description() const = 0;
  virtual Precision precision() const = 0;
  /// Where a layer should be read and loaded while the one before computes: there the host only waits.
  virtual bool computes_aside() const = 0;
  /// Nothing where it computes in the host's memory.
  virtual std::optional<DeviceMemory> device_memory() const = 0;

  virtual std::unique_ptr<Activations> upload(MatrixF values) const = 0;
  /// The CPU back end reads the weights where they are, so they must not change while the handle lives, and must be in
  /// the numbers of its precision (else std::invalid_argument).
  virtual std::unique_ptr<LoadedLayer> load(std::shared_ptr<const LayerWeights> weights) const = 0;
  virtual std::unique_ptr<LoadedLinear> load(Linear map) const = 0;

  /// Attention half of a block over hidden states [L, hidden_size] of positions 0 ... L-1: norm, projections,
  /// positions, causal softmax attention without an L x L matrix. Collective over `shards`, the ranks among which the
  /// heads are divided (norms over all heads need sums over them).
  virtual AttentionOutput attention(const BlockShape& shape, const LoadedLayer& weights, const Team& shards,
                                    const Activations& hidden) const = 0;
  /// MLP half of a block, experts included: this shard's summand of what is added to the hidden states.
  virtual std::unique_ptr<Activations> mlp(const BlockShape& shape, const LoadedLayer& weights,
                                           const Activations& hidden) const = 0;
  /// sum += term.
  virtual void add(const Activations& term, Activations& sum) const = 0;
  /// Adds what a half says, summed over the shards and normalised where the layer does so, to the hidden states; then
  /// normalises these where it does that.
  virtual void finish(Half half, const LoadedLayer& weights, const Activations& said, Activations& hidden) const = 0;

  /// Every row normalised, in place.
  virtual void normalise(const Norm& norm, Activations& rows) const = 0;
  /// y = W x + b of every row.
  virtual std::unique_ptr<Activations> linear(const Activations& rows, const LoadedLinear& map) const = 0;
  /// rows <- cap tanh(rows / cap).
  virtual void soft_cap(double cap, Activations& rows) const = 0;
  /// Adds the tokens first_token ... first_token + columns - 1, whose logits these are ([positions, columns]), to the
  /// loss of predicting targets[i] at position i.
  virtual void add_loss(const Activations& logits, Index first_token, std::span<const std::int32_t> targets,
                        LossPart& loss) const = 0;

  /// Of all query heads of a layer, whose logit forms these are; see cpu/field_statistics.hpp.
  virtual std::vector<std::vector<HeadStatistics>> field_statistics(const Heads& heads,
                                                                    std::span<const LogitForm> forms,
                                                                    std::span<const FieldRequest> requests) const = 0;
  /// The same of a KV group in host memory.
  virtual std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                                    std::span<const FieldRequest> requests) const = 0;
  virtual std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const = 0;
  virtual HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                             RouteResult result) const = 0;

  /// See cpu/learned_interaction.hpp.
  virtual std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries,
                                                               const Projection& keys, const VectorF& gain) const = 0;
};

/// The back end of that name: "auto" (a GPU where there is one that it can use), "cpu" or "cuda", on GPU local_rank
/// modulo their number. Throws std::runtime_error saying why where it cannot be had.
std::unique_ptr<Backend> make_backend(std::string_view name, Precision precision = Precision::float32,
                                      int local_rank = 0);

/// The CPU's; its description says `because`. Throws std::runtime_error for a precision that it does not have.
std::unique_ptr<Backend> make_cpu_backend(Precision precision, const std::string& because);

}  // namespace logitfield::kernels
