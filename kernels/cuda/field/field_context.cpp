#include "kernels/cuda/field/field_context.hpp"

#include <cmath>

#include "kernels/cuda/field/causal_operator.hpp"

namespace logitfield::kernels::cuda {
namespace {

std::vector<LogitForm> some_forms(const HeadBatch& batch, Index first, Index count) {
  return {batch.forms().begin() + first, batch.forms().begin() + first + count};
}

}  // namespace

FieldContext::FieldContext(const Worker& worker, const HeadBatch& batch, Index kv_head, Index first_head, Index heads)
    : kernels::FieldContext(alone(), some_forms(batch, first_head, heads), {0, batch.context()}, batch.context(),
                            batch.head_dim()),
      worker_(worker),
      batch_(batch),
      kv_head_(kv_head),
      first_head_(first_head) {
  raw_norm_ = std::sqrt(batch.key_norm(kv_head));
  for (Index h = 0; h < heads; ++h) query_norms_.push_back(batch.query_norm(first_head + h));
}

FactorForm FieldContext::key_form(std::size_t head) const {
  return batch_.key_form(kv_head_, forms_[head].alibi_slope != 0);
}

RouteResult FieldContext::krylov(std::size_t head, Index components) {
  const CausalFields field(worker_, batch_.query_form(in_batch(head)), key_form(head));
  kernels::CausalEnergies energies = std::move(field.energies()[0]);
  const kernels::CausalField rows = host().causal_rows(head, energies.means);
  return kernels::krylov_route(alone(), std::move(energies), CausalOperator(field), &rows, placement_, components,
                               rounding(head));
}

RouteResult FieldContext::take_route(std::size_t head, const FieldRequest& request) {
  const bool factors = forms_[head].has_factors(), doubtful = batch_.doubtful(kv_head_);
  if (request.route == Route::dense) {
    if (auto out = batch_.dense(in_batch(head), request.scope, rounding(head))) return std::move(*out);
  }
  if (factors && !doubtful) {
    const bool windowed = mask_of(forms_[head], request.scope, rows_) != Visible{};  // then the host's route
    if (request.route == Route::krylov && is_masked(request.scope) && !windowed)
      return krylov(head, request.components);
    if (request.route == Route::factored && !is_masked(request.scope)) {
      if (auto out = batch_.factored(in_batch(head), request.scope, rounding(head))) return std::move(*out);
    }
  }
  return host().take_route(head, request);
}

const kernels::CoherentKeys& FieldContext::coherence() {
  if (!coherence_) coherence_ = batch_.coherence(kv_head_);
  return coherence_ ? *coherence_ : host().coherence();
}

const kernels::Leverage& FieldContext::key_leverage(std::size_t head) {
  if (forms_[head].alibi_slope == 0) return coherence().leverage;
  if (!slope_leverage_) slope_leverage_ = batch_.slope_leverage(kv_head_);
  return slope_leverage_ ? *slope_leverage_ : host().key_leverage(head);
}

kernels::RowSample FieldContext::sample(std::size_t head, Scope scope) {
  std::optional<kernels::RowSample> found = batch_.sample(in_batch(head), scope);
  return found ? std::move(*found) : host().sample(head, scope);
}

kernels::DirectProducts FieldContext::direct(std::size_t head, Scope scope) {
  std::optional<kernels::DirectProducts> found = batch_.direct(in_batch(head), scope);
  return found ? std::move(*found) : host().direct(head, scope);
}

kernels::HeadContext& FieldContext::host() {
  if (!host_) {
    host_ = std::make_unique<Copies>();
    host_->keys = batch_.keys(kv_head_);
    HeadGroup& group = host_->group.emplace(HeadGroup{{}, host_->keys, forms_});
    for (std::size_t h = 0; h < forms_.size(); ++h) host_->queries.push_back(batch_.queries(in_batch(h)));
    for (const MatrixF& q : host_->queries) group.queries.push_back(q);
    host_->context.emplace(alone(), group, placement_);
  }
  return *host_->context;
}

}  // namespace logitfield::kernels::cuda
