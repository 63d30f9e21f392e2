#include "kernels/cuda/field_context.hpp"

#include <cmath>

#include "kernels/cuda/causal_field.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Sums of the columns, then sum of the squares.
Eigen::RowVectorXd sums_of(const Worker& worker, const float* rows, Index length, Index columns) {
  const Index chunks = padded_rows(length) / kRowPadding;
  Buffer<double> parts(chunks * (columns + 1), worker.stream);
  column_sums(rows, length, static_cast<int>(columns), parts.data(), worker.stream);
  return download(parts, chunks, columns + 1).colwise().sum();
}

}  // namespace

FieldContext::FieldContext(const Worker& worker, const DeviceHeads& heads, Index kv_head, Index first_head,
                           std::vector<LogitForm> forms, Index context)
    : cpu::FieldContext(alone(), std::move(forms), {0, context}, context, heads.head_dim),
      worker_(worker),
      heads_(heads),
      kv_head_(kv_head),
      first_head_(first_head),
      keys_(heads.all_keys.data() + kv_head * heads.length * heads.head_dim) {
  const Eigen::RowVectorXd sums = sums_of(worker, keys_, context, head_dim_);
  const double length = static_cast<double>(context);
  raw_norm_ = std::sqrt(sums[head_dim_]);
  mean_ = sums.head(head_dim_) / length;
  doubtful_ = !(1 - length * mean_.squaredNorm() / (raw_norm_ * raw_norm_) > 1e-6);
  for (std::size_t h = 0; h < forms_.size(); ++h) {
    query_norms_.push_back(sums_of(worker, queries(h), context, head_dim_)[head_dim_]);
  }
  shift_ = upload(mean_, worker);
  probes_ = upload(probe_rows(0, context).transpose(), worker);
}

const float* FieldContext::queries(std::size_t head) const {
  return heads_.all_queries.data() + (first_head_ + static_cast<Index>(head)) * heads_.length * head_dim_;
}

FactorForm FieldContext::scaled(const float* rows, Index count, const LogitForm& form) const {
  FactorForm out{.rows = rows, .length = count, .columns = static_cast<int>(head_dim_), .factor = form.scale};
  return out;
}

FactorForm FieldContext::query_form(std::size_t head) const {
  FactorForm out = scaled(queries(head), rows_, forms_[head]);
  if (forms_[head].alibi_slope != 0) out.extra[out.extras++] = {.constant = forms_[head].alibi_slope};
  return out;
}

FactorForm FieldContext::key_form(bool slope) const {
  FactorForm out{.rows = keys_, .length = rows_, .columns = static_cast<int>(head_dim_), .shift = shift_.data()};
  if (slope) out.extra[out.extras++] = {.constant = -0.5 * static_cast<double>(rows_ - 1), .step = 1};
  return out;
}

const std::optional<TallFactor>& FieldContext::key_factor(std::size_t head, Scope scope) {
  const bool slope = forms_[head].alibi_slope != 0;
  Tried& tried = (scope == Scope::full ? full_ : causal_mean_)[slope];
  if (!tried.done && !doubtful_) {
    FactorForm form = key_form(slope);
    if (scope == Scope::causal_mean) form.extra[form.extras++] = {.constant = 1};
    tried.factor = TallFactor::make(worker_, form, probes_.data());
  }
  tried.done = true;
  return tried.factor;
}

std::optional<RouteResult> FieldContext::factored(std::size_t head, Scope scope) {
  const std::optional<TallFactor>& keys = key_factor(head, scope);
  if (!keys) return std::nullopt;
  FactorForm form = query_form(head);
  Buffer<double> means;
  if (scope == Scope::causal_mean) {
    means = CausalField(worker_, form, key_form(forms_[head].alibi_slope != 0)).negative_means();
    form.extra[form.extras++] = {.values = means.data()};
  }
  const std::optional<TallFactor> queries = TallFactor::make(worker_, form, probes_.data());
  if (!queries) return std::nullopt;
  const auto side = [&](bool of_queries, const Matrix& image) {
    return of_queries ? queries->measure_side(*keys, image) : keys->measure_side(*queries, image);
  };
  const Rounding limits = rounding(head);
  return cpu::factored_route(queries->summary(), keys->summary(), side, rows_, limits.noise, limits.unresolved);
}

RouteResult FieldContext::krylov(std::size_t head, Index components) {
  CausalField field(worker_, query_form(head), key_form(forms_[head].alibi_slope != 0));
  cpu::CausalEnergies energies = field.energies();
  const cpu::CausalField rows = host().causal_rows(head, energies.means);
  return cpu::krylov_route(alone(), std::move(energies), field, &rows, placement_, components, rounding(head));
}

const double* FieldContext::raw_keys() {
  if (raw_keys_.size() == 0) {
    raw_keys_ = Buffer<double>(padded_rows(rows_) * head_dim_, worker_.stream);
    FactorForm raw = key_form(false);
    raw.shift = nullptr;
    make_factor(raw, raw_keys_.data(), worker_.stream);
  }
  return raw_keys_.data();
}

DirectForm FieldContext::direct_form(Scope scope, const LogitForm& form) const {
  return {.length = rows_,
          .slope = form.alibi_slope,
          .cap = form.softcap.value_or(0),
          .causal_mean = scope != Scope::full,
          .masked = is_masked(scope),
          .mask = key_mask(mask_of(form, scope, rows_)),
          .probes = probes_.data()};
}

// Uses the logits of cpu::dense_field: if they are not capped, up to a constant per row.
cpu::FormedField FieldContext::formed(std::size_t head, Scope scope) {
  const LogitForm& form = forms_[head];
  if (!form.has_factors()) {
    return direct_field(worker_, scaled(queries(head), rows_, form), raw_keys(), direct_form(scope, form));
  }
  const FactorForm keys = key_form(form.alibi_slope != 0);
  Buffer<double> made(padded_rows(rows_) * keys.width(), worker_.stream);
  make_factor(keys, made.data(), worker_.stream);
  return direct_field(worker_, query_form(head), made.data(), direct_form(scope, {.visible = form.visible}));
}

RouteResult FieldContext::take_route(std::size_t head, const FieldRequest& request) {
  const bool factors = forms_[head].has_factors();
  if (request.route == Route::dense && !(factors && doubtful_)) {
    return cpu::dense_route(formed(head, request.scope), request.scope, coupling(head, request.scope), rounding(head));
  }
  if (factors && !doubtful_) {
    const bool windowed = mask_of(forms_[head], request.scope, rows_) != Visible{};  // then the host's route
    if (request.route == Route::krylov && is_masked(request.scope) && !windowed)
      return krylov(head, request.components);
    if (request.route == Route::factored && !is_masked(request.scope)) {
      if (std::optional<RouteResult> out = factored(head, request.scope)) return std::move(*out);
    }
  }
  return host().take_route(head, request);
}

const cpu::CoherentKeys& FieldContext::coherence() {
  if (coherence_) return *coherence_;
  Tried& tried = full_[0];
  if (!tried.done && !doubtful_) tried.factor = TallFactor::make(worker_, key_form(false), probes_.data());
  tried.done = true;
  if (!tried.factor) return host().coherence();
  const double length = static_cast<double>(rows_), constant = 1 / std::sqrt(length);
  const Vector missing = cpu::missing_direction(tried.factor->r(), mean_, length);
  TallFactor::BasisRows found = tried.factor->basis_rows(missing.head(head_dim_));
  const Vector raw =
      found.squares.array() + constant * constant - (found.along.array() + constant * missing[head_dim_]).square();
  coherence_ = {cpu::full_rank_coherence(length, tried.factor->r(), found.squares.maxCoeff(), raw.maxCoeff()),
                {std::move(found.squares), head_dim_}};
  return *coherence_;
}

const cpu::Leverage& FieldContext::key_leverage(std::size_t head) {
  if (forms_[head].alibi_slope == 0) return coherence().leverage;
  if (!alibi_leverage_) {
    const std::optional<TallFactor>& keys = key_factor(head, Scope::full);
    if (!keys) return host().key_leverage(head);
    alibi_leverage_ = {keys->basis_rows(Vector::Zero(keys->width())).squares, keys->width()};
  }
  return *alibi_leverage_;
}

cpu::RowSample FieldContext::sample(std::size_t head, Scope scope, const Matrix&) {
  const LogitForm& form = forms_[head];
  const Stream& stream = worker_.stream;
  cpu::RowSample out;
  out.positions = cpu::sampled_positions(rows_);
  const Index count = std::ssize(out.positions);
  const std::vector<std::int32_t> tokens(out.positions.begin(), out.positions.end());
  const Buffer<std::int32_t> which{std::span<const std::int32_t>(tokens), stream};
  Buffer<float> rows(count * head_dim_, stream);
  cuda::gather(queries(head), which.data(), count, head_dim_, rows.data(), stream);
  const Matrix found =
      direct_rows(worker_, scaled(rows.data(), count, form), raw_keys(), direct_form(scope, form), out.positions).sums;
  out.query_norms = form.scale * form.scale * sums_of(worker_, rows.data(), count, head_dim_)[head_dim_] +
                    static_cast<double>(count) * form.alibi_slope * form.alibi_slope;
  out.products = found.rightCols(2);
  cpu::judge_rows(form, scope, rows_, found.leftCols(1), found.middleCols(1, cpu::kRowSums), out);
  return out;
}

// Computed by the host from copies of the rows; uses nothing that the device computed.
cpu::DirectProducts FieldContext::direct(std::size_t head, Scope scope, const Matrix& probes) {
  return host().direct(head, scope, probes);
}

cpu::HeadContext& FieldContext::host() {
  if (!host_) {
    host_ = std::make_unique<Copies>();
    host_->keys = heads_.keys(kv_head_, 0, rows_);
    HeadGroup& group = host_->group.emplace(HeadGroup{{}, host_->keys, forms_});
    for (Index h = 0; h < std::ssize(forms_); ++h) {
      host_->queries.push_back(heads_.queries(first_head_ + h, 0, rows_));
    }
    for (const MatrixF& q : host_->queries) group.queries.push_back(q);
    host_->context.emplace(alone(), group, placement_);
  }
  return *host_->context;
}

}  // namespace logitfield::kernels::cuda
