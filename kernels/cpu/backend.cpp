#include "kernels/cpu/backend.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <iterator>

#include "kernels/cpu/block.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/handles.hpp"
#include "kernels/cpu/loss.hpp"
#include "kernels/cpu/norm.hpp"
#include "kernels/cpu/product.hpp"
#include "kernels/field/field_statistics.hpp"
#include "kernels/field/learned_interaction.hpp"

namespace logitfield::kernels::cpu {
namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend(Precision precision, std::string because) : precision_(precision), because_(std::move(because)) {
    openblas_set_num_threads(1);
    use_one_thread();
  }

  std::string description() const override {
    return fmt::format("cpu ({}, {} kernels, products by {}, {} thread{})", openblas_get_config(),
                       openblas_get_corename(), product_library(), openblas_get_num_threads(),
                       because_.empty() ? "" : "; " + because_);
  }
  Precision precision() const override { return precision_; }
  bool computes_aside() const override { return false; }
  std::optional<DeviceMemory> device_memory() const override { return std::nullopt; }

  std::unique_ptr<Activations> upload(MatrixF values) const override {
    return std::make_unique<HostActivations>(std::move(values));
  }
  std::unique_ptr<LoadedLayer> load(std::shared_ptr<const LayerWeights> weights) const override {
    for_each_map(*weights, [&](const Linear& map) { require_numbers(map); });
    return std::make_unique<HostLayer>(std::move(weights));
  }
  std::unique_ptr<LoadedLinear> load(Linear map) const override {
    require_numbers(map);
    return std::make_unique<HostLinear>(std::move(map));
  }

  AttentionOutput attention(const BlockShape& shape, const LoadedLayer& weights, const Team& shards,
                            const Activations& hidden) const override {
    MatrixF partial;
    QueriesKeys queries_keys;
    attention_half(shape, weights_of(weights), shards, matrix(hidden), precision_, partial, queries_keys);
    return {upload(std::move(partial)), std::make_unique<HostHeads>(std::move(queries_keys), hidden.rows())};
  }
  std::unique_ptr<Activations> mlp(const BlockShape& shape, const LoadedLayer& weights,
                                   const Activations& hidden) const override {
    MatrixF partial;
    mlp_half(shape, weights_of(weights), matrix(hidden), partial);
    return upload(std::move(partial));
  }
  void add(const Activations& term, Activations& sum) const override { matrix(sum) += matrix(term); }
  void finish(Half half, const LoadedLayer& loaded, const Activations& said, Activations& hidden) const override {
    const LayerWeights& weights = weights_of(loaded);
    const bool first = half == Half::attention;
    const Norm& output = first ? weights.attention_output_norm : weights.mlp_output_norm;
    if (output.present) {
      matrix(hidden) += normalised(matrix(said), output);
    } else {
      matrix(hidden) += matrix(said);
    }
    normalise(first ? weights.attention_residual_norm : weights.mlp_residual_norm, hidden);
  }

  void normalise(const Norm& norm, Activations& rows) const override {
    if (norm.present) matrix(rows) = normalised(matrix(rows), norm);
  }
  std::unique_ptr<Activations> linear(const Activations& rows, const LoadedLinear& map) const override {
    return upload(cpu::linear(matrix(rows), linear_of(map)));
  }
  void soft_cap(double cap, Activations& rows) const override {
    const float by = static_cast<float>(cap);
    matrix(rows) = (matrix(rows).array() / by).tanh() * by;
  }
  void add_loss(const Activations& logits, Index first_token, std::span<const std::int32_t> targets,
                LossPart& loss) const override {
    cpu::add_loss(matrix(logits), first_token, targets, loss);
  }

  std::vector<std::vector<HeadStatistics>> field_statistics(const Heads& heads, std::span<const LogitForm> forms,
                                                            std::span<const FieldRequest> requests) const override {
    const HostHeads& own = heads_of(heads);
    std::vector<std::vector<HeadStatistics>> out;
    for (Index kv = 0; kv < own.num_kv_heads(); ++kv) {
      auto statistics = kernels::field_statistics(own.group(kv, forms), requests);
      std::move(statistics.begin(), statistics.end(), std::back_inserter(out));
    }
    return out;
  }
  std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                            std::span<const FieldRequest> requests) const override {
    return kernels::field_statistics(group, requests);
  }
  std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const override {
    return kernels::shared_field_statistics(team, group, placement, requests);
  }
  HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                     RouteResult result) const override {
    return kernels::complete_statistics(group, head, scope, std::move(result));
  }
  std::vector<LearnedInteraction> learned_interactions(const std::vector<Projection>& queries, const Projection& keys,
                                                       const VectorF& gain) const override {
    return kernels::learned_interactions(queries, keys, gain);
  }

 private:
  /// Throws std::invalid_argument for another operand type: a run must be neither more nor less exact than it reports.
  void require_numbers(const Linear& map) const {
    if (map.weight.size() > 0 && !map.weight.is_for(precision_)) {
      throw std::invalid_argument(
          fmt::format("weights are not in the operand type of precision {}", precision_name(precision_)));
    }
  }

  Precision precision_;
  std::string because_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(Precision precision, const std::string& because) {
  if (!can_multiply(precision)) {
    throw PrecisionUnavailable(
        fmt::format("the back end 'cpu' does not support {} here (products by {}{}): bf16 needs oneDNN and a processor "
                    "with AVX512_BF16 or AMX",
                    precision_name(precision), product_library(), because.empty() ? "" : "; " + because));
  }
  return std::make_unique<CpuBackend>(precision, because);
}

}  // namespace logitfield::kernels::cpu
