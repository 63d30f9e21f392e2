#include "kernels/cpu/backend.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include "kernels/cpu/block.hpp"
#include "kernels/cpu/feed_forward.hpp"
#include "kernels/cpu/field_statistics.hpp"
#include "kernels/cpu/learned_interaction.hpp"
#include "kernels/cpu/loss.hpp"
#include "kernels/cpu/norm.hpp"

namespace logitfield::kernels::cpu {
namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend() { openblas_set_num_threads(1); }

  std::string description() const override {
    return fmt::format("cpu ({}, {} kernels, {} thread)", openblas_get_config(), openblas_get_corename(),
                       openblas_get_num_threads());
  }
  void attention(const BlockShape& shape, const LayerWeights& weights, const Team& shards, const MatrixF& hidden,
                 MatrixF& partial, QueriesKeys& queries_keys) const override {
    attention_half(shape, weights, shards, hidden, partial, queries_keys);
  }
  void mlp(const BlockShape& shape, const LayerWeights& weights, const MatrixF& hidden,
           MatrixF& partial) const override {
    mlp_half(shape, weights, hidden, partial);
  }
  MatrixF normalise(const MatrixF& hidden, const Norm& norm) const override { return normalised(hidden, norm); }
  MatrixF linear(const MatrixFRef& rows, const Linear& map) const override { return cpu::linear(rows, map); }
  void add_loss(const MatrixF& logits, Index first_token, std::span<const std::int32_t> targets,
                LossPart& loss) const override {
    cpu::add_loss(logits, first_token, targets, loss);
  }
  std::vector<std::vector<HeadStatistics>> field_statistics(const HeadGroup& group,
                                                            std::span<const FieldRequest> requests) const override {
    return cpu::field_statistics(group, requests);
  }
  std::vector<std::vector<HeadStatistics>> shared_field_statistics(
      const Team& team, const HeadGroup& group, const Placement& placement,
      std::span<const FieldRequest> requests) const override {
    return cpu::shared_field_statistics(team, group, placement, requests);
  }
  HeadStatistics complete_statistics(const HeadGroup& group, std::size_t head, Scope scope,
                                     RouteResult result) const override {
    return cpu::complete_statistics(group, head, scope, std::move(result));
  }
  LearnedInteraction learned_interaction(const MatrixFRef& query_projection, const MatrixFRef& key_projection,
                                         const VectorF& gain) const override {
    return cpu::learned_interaction(query_projection, key_projection, gain);
  }
};

}  // namespace

std::unique_ptr<Backend> make_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace logitfield::kernels::cpu
