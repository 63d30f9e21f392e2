#pragma once
#include <memory>

#include "kernels/cuda/field/head_batch.hpp"
#include "kernels/field/head_context.hpp"

namespace logitfield::kernels::cuda {

/// A KV head and some of its query heads in one context, with their rows on a device. Where the batch has no result
/// (few rows, dependent columns, windows), the host's HeadContext computes it from copies of the rows.
class FieldContext final : public kernels::FieldContext {
 public:
  /// The query heads first_head ... first_head + heads - 1 of the batch, which read its KV head. The batch must outlive
  /// the object. `worker` is this thread's.
  FieldContext(const Worker& worker, const HeadBatch& batch, Index kv_head, Index first_head, Index heads);

  RouteResult take_route(std::size_t head, const FieldRequest& request) override;
  const kernels::CoherentKeys& coherence() override;
  const kernels::Leverage& key_leverage(std::size_t head) override;
  kernels::RowSample sample(std::size_t head, Scope scope) override;
  kernels::DirectProducts direct(std::size_t head, Scope scope) override;

 private:
  Index in_batch(std::size_t head) const { return first_head_ + static_cast<Index>(head); }
  FactorForm key_form(std::size_t head) const;
  RouteResult krylov(std::size_t head, Index components);
  kernels::HeadContext& host();

  const Worker& worker_;
  const HeadBatch& batch_;
  const Index kv_head_, first_head_;
  std::optional<kernels::CoherentKeys> coherence_;
  std::optional<kernels::Leverage> slope_leverage_;
  /// Copies of the rows on the host.
  struct Copies {
    std::vector<MatrixF> queries;
    MatrixF keys;
    std::optional<HeadGroup> group;
    std::optional<kernels::HeadContext> context;
  };
  std::unique_ptr<Copies> host_;
};

}  // namespace logitfield::kernels::cuda
