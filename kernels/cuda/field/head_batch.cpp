#include "kernels/cuda/field/head_batch.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "kernels/cuda/field/causal_fields.hpp"
#include "kernels/cuda/field/direct_field.hpp"
#include "kernels/cuda/field/direct_products.hpp"
#include "kernels/cuda/spectra/singular_values.hpp"
#include "kernels/field/routes.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Starts to sum the columns of each head, then all squares: [heads, columns + 1].
HostRows sums_of(const Worker& worker, const HeadRows& rows) {
  const Index chunks = padded_rows(rows.length) / kRowPadding, size = rows.columns + 1;
  Buffer<double> parts(rows.heads * chunks * size, worker.stream), sums(rows.heads * size, worker.stream);
  column_sums(rows, parts.data(), worker.stream);
  sum_matrices(parts.data(), rows.heads, chunks, size, sums.data(), worker.stream);
  return start_download(sums, rows.heads, size, worker);
}

static_assert(kSampledKeys >= kernels::kMostKeys);
static_assert(static_cast<double>(singular_value_bytes(1, 1)) <= decomposing_bytes(1) &&
              static_cast<double>(singular_value_bytes(100'000, 1)) <= decomposing_bytes(100'000));

}  // namespace

HeadBatch::HeadBatch(const Lanes& lanes, const DeviceHeads& heads, Index first_kv_head, Index kv_heads,
                     std::vector<LogitForm> forms, Index context)
    : lanes_(lanes),
      heads_(heads),
      first_kv_head_(first_kv_head),
      kv_heads_(kv_heads),
      first_head_(first_kv_head * std::ssize(forms) / kv_heads),
      context_(context),
      head_dim_(heads.head_dim),
      forms_(std::move(forms)) {
  std::vector<double> scales, slopes;
  for (const LogitForm& form : forms_) {
    scales.push_back(form.scale);
    slopes.push_back(form.alibi_slope);
  }
  const Worker& worker = lanes.queries;
  const Matrix probes = probe_rows(0, context).transpose();
  scales_ = send<double>(scales, worker);
  slopes_ = send<double>(slopes, worker);
  probes_ = send<double>(as_span(probes), worker);
  measure_norms();
  shifts_ = send<double>(as_span(means_), worker);
  follow(lanes.keys, worker);
  follow(lanes.checks, worker);
}

void HeadBatch::measure_norms() {
  const HostRows keys = sums_of(lanes_.queries, key_rows()), queries = sums_of(lanes_.queries, query_rows());
  lanes_.queries.stream.wait();
  const auto of_keys = keys.matrix(), of_queries = queries.matrix();
  const double length = static_cast<double>(context_);
  means_ = of_keys.leftCols(head_dim_) / length;
  for (Index k = 0; k < kv_heads_; ++k) {
    key_norms_.push_back(of_keys(k, head_dim_));
    doubtful_.push_back(!(1 - length * means_.row(k).squaredNorm() / key_norms_.back() > 1e-6));
  }
  for (Index h = 0; h < std::ssize(forms_); ++h) query_norms_.push_back(of_queries(h, head_dim_));
}

HeadRows HeadBatch::query_rows() const {
  const Index step = heads_.length * head_dim_;
  return {heads_.all_queries.data() + first_head_ * step, std::ssize(forms_), step, context_,
          static_cast<int>(head_dim_)};
}

HeadRows HeadBatch::key_rows() const {
  const Index step = heads_.length * head_dim_;
  return {heads_.all_keys.data() + first_kv_head_ * step, kv_heads_, step, context_, static_cast<int>(head_dim_)};
}

FactorForm HeadBatch::raw_query_form(Index head) const {
  FactorForm out{.rows = query_rows(), .factor = forms_[static_cast<std::size_t>(head)].scale};
  out.rows.data += head * out.rows.head_stride;
  out.rows.heads = 1;
  return out;
}

FactorForm HeadBatch::query_form(Index head) const {
  FactorForm out = raw_query_form(head);
  const double slope = forms_[static_cast<std::size_t>(head)].alibi_slope;
  if (slope != 0) out.extra[out.extras++] = {.constant = slope};
  return out;
}

FactorForm HeadBatch::raw_key_form(Index kv_head) const {
  FactorForm out{.rows = key_rows()};
  out.rows.data += kv_head * out.rows.head_stride;
  out.rows.heads = 1;
  return out;
}

FactorForm HeadBatch::key_form(Index kv_head, bool slope) const {
  FactorForm out = all_keys(slope);
  out.rows = raw_key_form(kv_head).rows;
  out.shift += kv_head * head_dim_;
  return out;
}

FactorForm HeadBatch::all_queries(bool slope) const {
  FactorForm out{.rows = query_rows(), .factors = scales_.data()};
  if (slope) out.extra[out.extras++] = {.of_head = slopes_.data()};
  return out;
}

FactorForm HeadBatch::all_keys(bool slope) const {
  FactorForm out{.rows = key_rows(), .shift = shifts_.data()};
  if (slope) out.extra[out.extras++] = {.constant = -0.5 * static_cast<double>(context_ - 1), .step = 1};
  return out;
}

bool HeadBatch::has_slope(bool slope) const {
  return std::ranges::any_of(
      forms_, [&](const LogitForm& form) { return form.has_factors() && (form.alibi_slope != 0) == slope; });
}

void HeadBatch::prepare(std::span<const FieldRequest> requests) {
  std::set<Scope> scopes, by_factors, dense;
  for (const FieldRequest& request : requests) {
    scopes.insert(request.scope);
    if (request.route == Route::factored) by_factors.insert(request.scope);
    if (request.route == Route::dense) dense.insert(request.scope);
  }
  full_keys_[0].emplace(lanes_.keys, all_keys(false), probes_.data());
  bool done = false;
  const auto others = [&] {
    if (std::exchange(done, true)) return;
    for (const Scope scope : scopes) {
      prepare_samples(scope);
      prepare_direct(scope);
    }
    prepare_coherence();
  };
  for (const Scope scope : by_factors) {
    for (const bool slope : {false, true}) {
      if (has_slope(slope)) prepare_factored(scope, slope, others);
    }
  }
  others();
  for (const Scope scope : dense) prepare_dense(scope);
  for (const Worker* lane : lanes_.all()) lane->stream.wait();
}

HostRows HeadBatch::leverages(const TallFactors& keys, const Buffer<double>& bases) const {
  const Worker& worker = keys.worker();
  const Index rows = kv_heads_ * keys.padded();
  Buffer<double> squares(rows, worker.stream);
  squared_norms(bases.data(), rows, keys.width(), squares.data(), worker.stream);
  return start_download(squares, kv_heads_, keys.padded(), worker);
}

void HeadBatch::prepare_coherence() {
  TallFactors& keys = *full_keys_[0];
  keys.finish();
  const Worker& worker = keys.worker();
  const Index width = keys.width(), padded = keys.padded();
  const Buffer<double> solved = keys.solve_transposed(shifts_), bases = keys.bases();
  Buffer<double> along(kv_heads_ * padded * kVectors, worker.stream),
      triangles(kv_heads_ * width * width, worker.stream);
  copy(triangles.data(), keys.r().data(), static_cast<std::size_t>(triangles.size()) * sizeof(double), worker.stream);
  follow(lanes_.spectra, worker);
  const Buffer<double> sigma = singular_values(lanes_.spectra, triangles.data(), width, kv_heads_);
  multiply_vectors({kv_heads_, padded, width, static_cast<int>(width)}, bases.data(), solved.data(), along.data(),
                   worker.stream);
  coherence_ = {leverages(keys, bases), start_download(along, kv_heads_, kVectors * padded, worker),
                start_download(solved, kv_heads_, kVectors * width, worker),
                start_download(sigma, kv_heads_, width, lanes_.spectra), std::move(triangles)};
}

void HeadBatch::prepare_factored(Scope scope, bool slope, const std::function<void()>& meanwhile) {
  FactorForm queries = all_queries(slope), keys = all_keys(slope);
  std::optional<CausalFields> causal;
  if (scope == Scope::causal_mean) {
    causal.emplace(lanes_.queries, queries, keys);
    queries.extra[queries.extras++] = {.values = causal->means().data(), .head_step = padded_rows(context_)};
    keys.extra[keys.extras++] = {.constant = -1};
  }
  TallFactors of_queries(lanes_.queries, queries, probes_.data());
  causal.reset();
  const bool full = scope == Scope::full;
  std::optional<TallFactors> other;
  std::optional<TallFactors>& of_keys = full ? full_keys_[slope] : other;
  if (!of_keys) of_keys.emplace(lanes_.keys, keys, probes_.data());
  meanwhile();
  of_keys->finish();
  of_queries.finish();
  if (full && slope) slope_leverages_ = leverages(*of_keys, of_keys->bases());
  factored_.emplace(std::pair{scope, slope}, FactoredFields(lanes_.spectra, of_queries, *of_keys, context_));
}

void HeadBatch::prepare_samples(Scope scope) {
  const Worker& worker = lanes_.checks;
  const std::vector<Index> positions = kernels::sampled_positions(context_);
  const Index count = std::ssize(positions), heads = std::ssize(forms_), padded = padded_rows(count);
  const Buffer<std::int64_t> where =
      send<std::int64_t>(std::vector<std::int64_t>(positions.begin(), positions.end()), worker);
  std::vector<DirectHead> host_rules;
  for (Index h = 0; h < heads; ++h) host_rules.push_back(rule_of(h, scope));
  const Buffer<DirectHead> rules = send<DirectHead>(host_rules, worker);
  FactorForm queries = all_queries(false), keys = all_keys(false);
  queries.positions = where.data();
  queries.rows.length = count;
  keys.shift = nullptr;
  Buffer<double> of_queries(heads * padded * head_dim_, worker.stream),
      of_keys(kv_heads_ * padded_rows(context_) * head_dim_, worker.stream),
      products(heads * count * context_, worker.stream), sums(heads * count * kDirectSums, worker.stream),
      norms(heads * padded, worker.stream);
  make_factor(queries, of_queries.data(), worker.stream);
  make_factor(keys, of_keys.data(), worker.stream);
  for (Index k = 0; k < kv_heads_; ++k) {
    const Index first = k * members();
    worker.products.multiply_transposed({count, context_, head_dim_, members()},
                                        {of_queries.data() + first * padded * head_dim_, head_dim_, padded * head_dim_},
                                        {of_keys.data() + k * padded_rows(context_) * head_dim_, head_dim_, 0},
                                        {products.data() + first * count * context_, context_, count * context_});
  }
  centre_rows({context_, rules.data(), scope != Scope::full, is_masked(scope), probes_.data()}, where.data(), heads,
              count, products.data(), sums.data(), worker.stream);
  squared_norms(of_queries.data(), heads * padded, head_dim_, norms.data(), worker.stream);
  samples_[scope] = {start_download(sums, heads, count * kDirectSums, worker),
                     start_download(norms, heads, padded, worker)};
}

bool HeadBatch::has_running_sums(Index head, Scope scope) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  return form.has_factors() && mask_of(form, scope, context_) == Visible{};
}

void HeadBatch::prepare_direct(Scope scope) {
  bool any = false;
  for (Index h = 0; h < std::ssize(forms_); ++h) any |= has_running_sums(h, scope);
  if (!any || head_dim_ > most_direct_columns()) return;
  const Worker& worker = lanes_.checks;
  const Index heads = std::ssize(forms_), tiles = (context_ + kDeviceTileRows - 1) / kDeviceTileRows;
  const Index size = (1 + kVectors) * (head_dim_ + 2);
  std::vector<Index> keys = kernels::some_keys(context_);
  std::vector<std::int64_t> host_keys(keys.begin(), keys.end());
  host_keys.resize(kSampledKeys, 0);
  const Buffer<std::int64_t> sampled = send<std::int64_t>(host_keys, worker);
  Buffer<double> before(kv_heads_ * tiles * size, worker.stream), all(kv_heads_ * size, worker.stream),
      products(heads * context_ * kVectors, worker.stream), parts(heads * tiles * kSampledKeys, worker.stream),
      energies(heads * kSampledKeys, worker.stream);
  key_sums(key_rows(), probes_.data(), before.data(), worker.stream);
  sum_matrices(before.data(), kv_heads_, tiles, size, all.data(), worker.stream);
  sums_before(before.data(), kv_heads_, tiles, size, worker.stream);
  direct_products({members(), scope != Scope::full, is_masked(scope), static_cast<int>(keys.size())}, query_rows(),
                  key_rows(), scales_.data(), slopes_.data(), sampled.data(), probes_.data(), before.data(), all.data(),
                  products.data(), parts.data(), worker.stream);
  sum_matrices(parts.data(), heads, tiles, kSampledKeys, energies.data(), worker.stream);
  direct_[scope] = {start_download(products, heads, context_ * kVectors, worker),
                    start_download(energies, heads, kSampledKeys, worker)};
}

DirectHead HeadBatch::rule_of(Index head, Scope scope) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  return {form.alibi_slope, form.softcap.value_or(0), key_mask(mask_of(form, scope, context_))};
}

// Uses the logits of kernels::dense_field: if they are not capped, up to a constant per row, from centred keys.
void HeadBatch::form(Index head, Scope scope, const DirectHead* rules, double* field, double* sums) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  const bool factors = form.has_factors();
  const FactorForm queries = factors ? query_form(head) : raw_query_form(head),
                   keys = factors ? key_form(head / members(), form.alibi_slope != 0) : raw_key_form(head / members());
  form_field(lanes_.queries, queries, keys, {context_, rules, scope != Scope::full, is_masked(scope), probes_.data()},
             field, sums);
}

void HeadBatch::prepare_dense(Scope scope) {
  const Worker& worker = lanes_.queries;
  const Index heads = std::ssize(forms_), length = context_;
  std::vector<DirectHead> host_rules;
  for (Index h = 0; h < heads; ++h) {
    host_rules.push_back(rule_of(h, scope));
    if (forms_[static_cast<std::size_t>(h)].has_factors()) host_rules.back().slope = 0;  // its column is in the factors
  }
  const Buffer<DirectHead> rules = send<DirectHead>(host_rules, worker);
  Buffer<double> sigma(heads * length, worker.stream), energy(heads * length, worker.stream),
      sums(heads * length * kDirectSums, worker.stream);
  energy.zero();
  const Index together = dense_together(length, heads);
  for (Index first = 0; first < heads; first += together) {
    const Index some = std::min(together, heads - first);
    Buffer<double> fields(some * length * length, worker.stream);
    for (Index h = 0; h < some; ++h) {
      const Index head = first + h;
      form(head, scope, rules.data() + head, fields.data() + h * length * length,
           sums.data() + head * length * kDirectSums);
    }
    add_column_squares(fields.data(), some, length, length, energy.data() + first * length, worker.stream);
    const Buffer<double> found = singular_values(worker, fields.data(), length, some);
    copy(sigma.data() + first * length, found.data(), static_cast<std::size_t>(found.size()) * sizeof(double),
         worker.stream);
  }
  dense_[scope] = {start_download(sigma, heads, length, worker), start_download(energy, heads, length, worker),
                   start_download(sums, heads, length * kDirectSums, worker)};
}

std::optional<RouteResult> HeadBatch::factored(Index head, Scope scope, const Rounding& limits) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  const auto found = factored_.find({scope, form.alibi_slope != 0});
  if (found == factored_.end() || !form.has_factors() || doubtful(head / members())) return std::nullopt;
  return found->second.result(head, limits);
}

std::optional<RouteResult> HeadBatch::dense(Index head, Scope scope, const Rounding& rounding) const {
  const auto found = dense_.find(scope);
  const bool doubtful = forms_[static_cast<std::size_t>(head)].has_factors() && this->doubtful(head / members());
  if (found == dense_.end() || doubtful) return std::nullopt;
  const double* values = found->second.sigma.data + head * context_;
  const auto sums = found->second.sums.matrix_of(head, kDirectSums);
  return kernels::dense_result({values, values + context_}, found->second.key_energy.matrix().row(head),
                               sums.col(1 + kernels::kSquares), sums.rightCols(kVectors),
                               sums.col(1 + kernels::kTotal).norm(), rounding);
}

// The direction (v, b) of [basis, 1 / sqrt L] that the uncentred keys lack satisfies r^T v + sqrt(L) mean^T b = 0.
std::optional<kernels::CoherentKeys> HeadBatch::coherence(Index kv_head) const {
  const auto& keys = full_keys_[0];
  if (!keys || doubtful(kv_head) || !keys->decomposed(kv_head)) return std::nullopt;
  const Index width = keys->width();
  const double length = static_cast<double>(context_);
  const Vector leverage = coherence_.leverages.matrix().row(kv_head).head(context_);
  const double b = 1 / std::sqrt(1 + length * coherence_.directions.matrix().row(kv_head).squaredNorm());
  const Eigen::ArrayXd t = coherence_.along.matrix_of(kv_head, kVectors).col(0).head(context_).array();
  const Eigen::ArrayXd missing = b * (1 / std::sqrt(length) - std::sqrt(length) * t);
  const Vector raw = leverage.array() + 1 / length - missing.square();
  const double* sigma = coherence_.sigma.data + kv_head * width;
  const KeyCoherence statistics = kernels::full_rank_coherence(
      length, {sigma, sigma + width}, leverage.maxCoeff<Eigen::PropagateNaN>(), raw.maxCoeff<Eigen::PropagateNaN>());
  return kernels::CoherentKeys{statistics, {leverage, width}};
}

std::optional<kernels::Leverage> HeadBatch::slope_leverage(Index kv_head) const {
  const auto& keys = full_keys_[1];
  if (slope_leverages_.rows == 0 || doubtful(kv_head) || !keys->decomposed(kv_head)) return std::nullopt;
  return kernels::Leverage{slope_leverages_.matrix().row(kv_head).head(context_), keys->width()};
}

std::optional<kernels::RowSample> HeadBatch::sample(Index head, Scope scope) const {
  const auto found = samples_.find(scope);
  if (found == samples_.end()) return std::nullopt;
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  const auto own = found->second.sums.matrix_of(head, kDirectSums);
  kernels::RowSample out;
  out.positions = kernels::sampled_positions(context_);
  out.query_norms = found->second.norms.matrix().row(head).sum() +
                    static_cast<double>(own.rows()) * form.alibi_slope * form.alibi_slope;
  out.products = own.rightCols(kVectors);
  kernels::judge_rows(form, scope, context_, own.leftCols(1), own.middleCols(1, kernels::kRowSums), out);
  return out;
}

std::optional<kernels::DirectProducts> HeadBatch::direct(Index head, Scope scope) const {
  const auto found = direct_.find(scope);
  if (found == direct_.end() || !has_running_sums(head, scope)) return std::nullopt;
  std::vector<Index> keys = kernels::some_keys(context_);
  const Index count = std::ssize(keys);
  return kernels::DirectProducts{found->second.products.matrix_of(head, kVectors), std::move(keys),
                                 found->second.energies.matrix().row(head).head(count)};
}

}  // namespace logitfield::kernels::cuda
