#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/block.hpp"
#include "kernels/device.hpp"
#include "kernels/field_request.hpp"
#include "kernels/precision.hpp"
#include "kernels/team.hpp"

namespace logitfield::kernels {

/// Holds a float32 matrix [positions, columns] in the memory of its back end: hidden states, their summands, or logits.
class Activations {
 public:
  virtual ~Activations() = default;
  virtual Index rows() const = 0;
  virtual Index cols() const = 0;
  /// read() passes the values to `visit` in host memory; change() also writes them back. A CPU works in place, a GPU on
  /// a copy.
  virtual void read(const std::function<void(const MatrixF&)>& visit) const = 0;
  virtual void change(const std::function<void(MatrixF&)>& visit) = 0;
};

/// Holds the weights of a layer in the memory of the back end whose `load` made it. Only that back end can use it.
class LoadedLayer {
 public:
  virtual ~LoadedLayer() = default;
};
/// Holds the weights of one linear map in the same way.
class LoadedLinear {
 public:
  virtual ~LoadedLinear() = default;
};

/// Holds the queries and keys of a layer's heads, as they enter the dot product, in the memory of a back end. Members
/// return copies in host memory.
class Heads {
 public:
  virtual ~Heads() = default;
  /// Return rows begin ... begin + count - 1 [count, head_dim] of a query head, or of a KV head, of this shard.
  virtual MatrixF queries(Index head, Index begin, Index count) const = 0;
  virtual MatrixF keys(Index kv_head, Index begin, Index count) const = 0;
};

/// Result of the attention half of a block: this shard's summand of the hidden states, and the heads.
struct AttentionOutput {
  std::unique_ptr<Activations> partial;
  std::unique_ptr<Heads> heads;
};

/// The halves of a transformer block.
enum class Half { attention, mlp };

/// Declares the operations that a device provides to one rank; cpu/ and cuda/ implement them. A handle may only be
/// passed to the back end that made it.
class Backend {
 public:
  virtual ~Backend() = default;
  /// Describes the back end, for example "cpu (OpenBLAS 0.3.21, Haswell, 1 thread)".
  virtual std::string description() const = 0;
  virtual Precision precision() const = 0;
  /// Tells whether the host is idle while the back end computes. If so, the next layer should be read and loaded
  /// meanwhile.
  virtual bool computes_aside() const = 0;
  /// Describes the device and its memory; empty for a back end that computes in host memory.
  virtual std::optional<DeviceMemory> device_memory() const = 0;

  virtual std::unique_ptr<Activations> upload(MatrixF values) const = 0;
  /// Loads weights. The CPU back end reads them in place, so they must not change while the handle lives. It throws
  /// std::invalid_argument for weights that are not in the operand type of its precision.
  virtual std::unique_ptr<LoadedLayer> load(std::shared_ptr<const LayerWeights> weights) const = 0;
  virtual std::unique_ptr<LoadedLinear> load(Linear map) const = 0;

  /// Computes the attention half of a block over hidden states [L, hidden_size] of positions 0 ... L-1: norm,
  /// projections, positions, causal softmax attention without an L x L matrix. Collective over `shards`, the ranks
  /// among which the heads are divided (norms over all heads need sums over them).
  virtual AttentionOutput attention(const BlockShape& shape, const LoadedLayer& weights, const Team& shards,
                                    const Activations& hidden) const = 0;
  /// Computes the MLP half of a block, experts included: this shard's summand of the hidden states.
  virtual std::unique_ptr<Activations> mlp(const BlockShape& shape, const LoadedLayer& weights,
                                           const Activations& hidden) const = 0;
  /// sum += term.
  virtual void add(const Activations& term, Activations& sum) const = 0;
  /// Adds `said`, the output of a half summed over the shards, to the hidden states. Where the layer has such norms,
  /// normalises `said` before and the hidden states afterwards.
  virtual void finish(Half half, const LoadedLayer& weights, const Activations& said, Activations& hidden) const = 0;

  /// Normalises every row in place.
  virtual void normalise(const Norm& norm, Activations& rows) const = 0;
  /// y = W x + b for every row x.
  virtual std::unique_ptr<Activations> linear(const Activations& rows, const LoadedLinear& map) const = 0;
  /// rows <- cap tanh(rows / cap).
  virtual void soft_cap(double cap, Activations& rows) const = 0;
  /// Adds the logits [positions, columns] of the tokens first_token ... first_token + columns - 1 to the loss of
  /// predicting targets[i] at position i.
  virtual void add_loss(const Activations& logits, Index first_token, std::span<const std::int32_t> targets,
                        LossPart& loss) const = 0;

  /// Measures all query heads of a layer, whose logit forms are `forms`; see field/field_statistics.hpp.
  virtual std::vector<std::vector<HeadStatistics>> field_statistics(const Heads& heads,
                                                                    std::span<const LogitForm> forms,
                                                                    std::span<const FieldRequest> requests) const = 0;
  /// Measures a KV group in host memory.
  virtual std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                                    std::span<const FieldRequest> requests) const = 0;
  virtual std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const = 0;
  virtual HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                             RouteResult result) const = 0;

  /// See field/learned_interaction.hpp.
  virtual std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries,
                                                               const Projection& keys, const VectorF& gain) const = 0;
};

/// Makes the back end. A GPU is chosen by local_rank modulo the number of GPUs. Throws BackendUnavailable with the
/// reason.
std::unique_ptr<Backend> make_backend(BackendKind kind, Precision precision = Precision::float32, int local_rank = 0);

/// Makes the CPU back end; its description includes `because`. Throws PrecisionUnavailable.
std::unique_ptr<Backend> make_cpu_backend(Precision precision, const std::string& because);

}  // namespace logitfield::kernels
