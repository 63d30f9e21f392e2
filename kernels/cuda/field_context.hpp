#pragma once
#include <memory>

#include "kernels/cuda/direct_field.hpp"
#include "kernels/cuda/handles.hpp"
#include "kernels/field/head_context.hpp"

namespace logitfield::kernels::cuda {

/// A KV head and its query heads in one context, with their rows on a device. Factors that Cholesky-QR cannot handle
/// (few rows, dependent columns) go to the host's HeadContext, on copies of the rows.
class FieldContext final : public cpu::FieldContext {
 public:
  /// `forms` belong to the query heads from `first_head` on, which read the KV head. The heads must outlive the object.
  FieldContext(const Worker& worker, const DeviceHeads& heads, Index kv_head, Index first_head,
               std::vector<LogitForm> forms, Index context);

  RouteResult take_route(std::size_t head, const FieldRequest& request) override;
  const cpu::CoherentKeys& coherence() override;
  const cpu::Leverage& key_leverage(std::size_t head) override;
  cpu::RowSample sample(std::size_t head, Scope scope, const Matrix& probes) override;
  cpu::DirectProducts direct(std::size_t head, Scope scope, const Matrix& probes) override;

 private:
  const float* queries(std::size_t head) const;
  FactorForm scaled(const float* rows, Index count, const LogitForm& form) const;
  FactorForm query_form(std::size_t head) const;
  FactorForm key_form(bool slope) const;
  /// Decomposed key factor of a scope; empty if it cannot be decomposed here.
  const std::optional<TallFactor>& key_factor(std::size_t head, Scope scope);
  std::optional<RouteResult> factored(std::size_t head, Scope scope);
  RouteResult krylov(std::size_t head, Index components);
  /// Uncentred keys, float64.
  const double* raw_keys();
  DirectForm direct_form(Scope scope, const LogitForm& form) const;
  cpu::FormedField formed(std::size_t head, Scope scope);
  cpu::HeadContext& host();

  const Worker& worker_;
  const DeviceHeads& heads_;
  const Index kv_head_, first_head_;
  const float* keys_;
  Eigen::RowVectorXd mean_;
  /// The keys are so nearly constant that only the host's way of centring them is reliable.
  bool doubtful_ = false;
  Buffer<double> shift_, probes_;
  /// A factor that was found, or found impossible; [0] without, [1] with the ALiBi column.
  struct Tried {
    bool done = false;
    std::optional<TallFactor> factor;
  };
  Tried full_[2], causal_mean_[2];
  Buffer<double> raw_keys_;
  std::optional<cpu::CoherentKeys> coherence_;
  std::optional<cpu::Leverage> alibi_leverage_;
  /// Copies of the rows on the host.
  struct Copies {
    std::vector<MatrixF> queries;
    MatrixF keys;
    std::optional<HeadGroup> group;
    std::optional<cpu::HeadContext> context;
  };
  std::unique_ptr<Copies> host_;
};

}  // namespace logitfield::kernels::cuda
