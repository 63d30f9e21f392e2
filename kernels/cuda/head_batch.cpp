#include "kernels/cuda/head_batch.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/cuda/causal_field.hpp"
#include "kernels/cuda/direct_field.hpp"
#include "kernels/cuda/direct_products.hpp"
#include "kernels/cuda/singular_values.hpp"

namespace logitfield::kernels::cuda {
namespace {

/// Sums of the columns of each head, then the sum of the squares: [heads, columns + 1].
Matrix sums_of(const Worker& worker, const HeadRows& rows) {
  const Index chunks = padded_rows(rows.length) / kRowPadding, size = rows.columns + 1;
  Buffer<double> parts(rows.heads * chunks * size, worker.stream), sums(rows.heads * size, worker.stream);
  column_sums(rows, parts.data(), worker.stream);
  sum_matrices(parts.data(), rows.heads, chunks, size, sums.data(), worker.stream);
  return download(sums, rows.heads, size);
}

template <class T>
Buffer<T> upload_all(const std::vector<T>& values, const Worker& worker) {
  Buffer<T> out{std::span<const T>(values), worker.stream};
  worker.stream.wait();  // the values may be freed now
  return out;
}

/// Row `head` of numbers [heads, rows * columns].
Matrix matrix_of(const Matrix& of_heads, Index head, Index rows, Index columns) {
  return Eigen::Map<const Matrix>(of_heads.row(head).data(), rows, columns);
}

static_assert(kSampledKeys >= cpu::kMostKeys);

}  // namespace

double batch_bytes(Index context, Index head_dim, Index members) {
  const double length = static_cast<double>(context), rows = static_cast<double>(padded_rows(context));
  const double w = static_cast<double>(head_dim + 3), heads = static_cast<double>(members);
  // Factors of queries and keys, each with a basis; and energies and products with the probes of one side at a time.
  const double factored = rows * (2 * (heads + 1) * (w + 3) + heads * (w + 5));
  const double samples = static_cast<double>(std::ssize(cpu::sampled_positions(context)));
  const double sampled = heads * (samples * length + rows / length * w) + rows * w;
  return sizeof(double) * (factored + sampled);
}

HeadBatch::HeadBatch(const Worker& worker, const DeviceHeads& heads, Index first_kv_head, Index kv_heads,
                     std::vector<LogitForm> forms, Index context)
    : worker_(worker),
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
  scales_ = upload_all(scales, worker);
  slopes_ = upload_all(slopes, worker);
  const Matrix of_keys = sums_of(worker, key_rows()), of_queries = sums_of(worker, query_rows());
  const double length = static_cast<double>(context);
  means_ = of_keys.leftCols(head_dim_) / length;
  for (Index k = 0; k < kv_heads; ++k) {
    key_norms_.push_back(of_keys(k, head_dim_));
    doubtful_.push_back(!(1 - length * means_.row(k).squaredNorm() / key_norms_.back() > 1e-6));
  }
  for (Index h = 0; h < std::ssize(forms_); ++h) query_norms_.push_back(of_queries(h, head_dim_));
  shifts_ = upload(means_, worker);
  probes_ = upload(probe_rows(0, context).transpose(), worker);
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
  std::set<Scope> scopes, by_factors;
  for (const FieldRequest& request : requests) {
    scopes.insert(request.scope);
    if (request.route == Route::factored) by_factors.insert(request.scope);
  }
  prepare_coherence();
  for (const Scope scope : by_factors) {
    for (const bool slope : {false, true}) {
      if (has_slope(slope)) prepare_factored(scope, slope);
    }
  }
  for (const Scope scope : scopes) {
    prepare_samples(scope);
    prepare_direct(scope);
  }
}

Matrix HeadBatch::leverages(const TallFactors& keys) const {
  const Buffer<double> bases = keys.bases();
  Buffer<double> squares(kv_heads_ * keys.padded(), worker_.stream);
  row_dots(bases.data(), keys.width(), bases.data(), keys.width(), kv_heads_ * keys.padded(),
           static_cast<int>(keys.width()), false, squares.data(), worker_.stream);
  return download(squares, kv_heads_, keys.padded()).leftCols(context_);
}

// The direction (v, b) of [basis, 1 / sqrt L] that the uncentred keys lack satisfies r^T v + sqrt(L) mean^T b = 0.
void HeadBatch::prepare_coherence() {
  full_keys_[0].emplace(worker_, all_keys(false), probes_.data());
  const TallFactors& keys = *full_keys_[0];
  const Index width = keys.width(), padded = keys.padded();
  const Buffer<double> solved = keys.solve_transposed(shifts_), bases = keys.bases();
  Buffer<double> squares(kv_heads_ * padded, worker_.stream), along(kv_heads_ * padded * 2, worker_.stream);
  row_dots(bases.data(), width, bases.data(), width, kv_heads_ * padded, static_cast<int>(width), false, squares.data(),
           worker_.stream);
  multiply_vectors({kv_heads_, padded, width, static_cast<int>(width)}, bases.data(), solved.data(), along.data(),
                   worker_.stream);
  Buffer<double> triangles(kv_heads_ * width * width, worker_.stream);
  copy(triangles.data(), keys.r().data(), static_cast<std::size_t>(triangles.size()) * sizeof(double), worker_.stream);
  const Matrix sigma = download(singular_values(worker_, triangles.data(), width, kv_heads_), kv_heads_, width);
  const Matrix values = download(squares, kv_heads_, padded), products = download(along, kv_heads_, 2 * padded),
               directions = download(solved, kv_heads_, 2 * width);
  const double length = static_cast<double>(context_);
  for (Index k = 0; k < kv_heads_; ++k) {
    if (doubtful(k) || !keys.decomposed(k)) {
      coherence_.emplace_back();
      continue;
    }
    const Vector leverage = values.row(k).head(context_);
    const double b = 1 / std::sqrt(1 + length * directions.row(k).squaredNorm());
    const Eigen::ArrayXd t = matrix_of(products, k, padded, 2).col(0).head(context_).array();
    const Eigen::ArrayXd missing = b * (1 / std::sqrt(length) - std::sqrt(length) * t);
    const Vector raw = leverage.array() + 1 / length - missing.square();
    coherence_.emplace_back(cpu::CoherentKeys{
        cpu::full_rank_coherence(length, {sigma.row(k).begin(), sigma.row(k).end()},
                                 leverage.maxCoeff<Eigen::PropagateNaN>(), raw.maxCoeff<Eigen::PropagateNaN>()),
        {leverage, width}});
  }
}

void HeadBatch::prepare_factored(Scope scope, bool slope) {
  FactorForm queries = all_queries(slope), keys = all_keys(slope);
  Buffer<double> means;
  if (scope == Scope::causal_mean) {
    const Index padded = padded_rows(context_);
    means = Buffer<double>(std::ssize(forms_) * padded, worker_.stream);
    for (Index h = 0; h < std::ssize(forms_); ++h) {
      FactorForm own = query_form(h);
      if (slope && own.extras == 0) own.extra[own.extras++] = {};
      const CausalField field(worker_, own, key_form(h / members(), slope));
      const Buffer<double> negative = field.negative_means();
      copy(means.data() + h * padded, negative.data(), static_cast<std::size_t>(context_) * sizeof(double),
           worker_.stream);
    }
    queries.extra[queries.extras++] = {.values = means.data(), .head_step = padded};
    keys.extra[keys.extras++] = {.constant = 1};
  }
  const bool full = scope == Scope::full;
  std::optional<TallFactors> other;
  std::optional<TallFactors>& factors = full ? full_keys_[slope] : other;
  if (!factors) factors.emplace(worker_, keys, probes_.data());
  if (full && slope) slope_leverages_ = leverages(*factors);
  factored_.emplace(std::pair{scope, slope},
                    FactoredFields(worker_, TallFactors(worker_, queries, probes_.data()), *factors, context_));
}

void HeadBatch::prepare_samples(Scope scope) {
  const std::vector<Index> positions = cpu::sampled_positions(context_);
  const Index count = std::ssize(positions), heads = std::ssize(forms_), padded = padded_rows(count);
  const Buffer<std::int64_t> where = upload_all(std::vector<std::int64_t>(positions.begin(), positions.end()), worker_);
  std::vector<DirectHead> host_rules;
  for (const LogitForm& form : forms_) {
    host_rules.push_back({form.alibi_slope, form.softcap.value_or(0), key_mask(mask_of(form, scope, context_))});
  }
  const Buffer<DirectHead> rules = upload_all(host_rules, worker_);
  FactorForm queries = all_queries(false), keys = all_keys(false);
  queries.positions = where.data();
  queries.rows.length = count;
  keys.shift = nullptr;
  Buffer<double> of_queries(heads * padded * head_dim_, worker_.stream),
      of_keys(kv_heads_ * padded_rows(context_) * head_dim_, worker_.stream),
      products(heads * count * context_, worker_.stream), sums(heads * count * kDirectSums, worker_.stream),
      norms(heads * padded, worker_.stream);
  make_factor(queries, of_queries.data(), worker_.stream);
  make_factor(keys, of_keys.data(), worker_.stream);
  for (Index k = 0; k < kv_heads_; ++k) {
    const Index first = k * members();
    worker_.products.multiply_transposed(
        {count, context_, head_dim_, members()},
        {of_queries.data() + first * padded * head_dim_, head_dim_, padded * head_dim_},
        {of_keys.data() + k * padded_rows(context_) * head_dim_, head_dim_, 0},
        {products.data() + first * count * context_, context_, count * context_});
  }
  centre_rows({context_, rules.data(), scope != Scope::full, is_masked(scope), probes_.data()}, where.data(), heads,
              count, products.data(), sums.data(), worker_.stream);
  row_dots(of_queries.data(), head_dim_, of_queries.data(), head_dim_, heads * padded, static_cast<int>(head_dim_),
           false, norms.data(), worker_.stream);
  const Matrix found = download(sums, heads, count * kDirectSums), squares = download(norms, heads, padded);
  std::vector<cpu::RowSample>& out = samples_[scope];
  for (Index h = 0; h < heads; ++h) {
    const LogitForm& form = forms_[static_cast<std::size_t>(h)];
    cpu::RowSample& sample = out.emplace_back();
    const Matrix own = matrix_of(found, h, count, kDirectSums);
    sample.positions = positions;
    sample.query_norms = squares.row(h).sum() + static_cast<double>(count) * form.alibi_slope * form.alibi_slope;
    sample.products = own.rightCols(2);
    cpu::judge_rows(form, scope, context_, own.leftCols(1), own.middleCols(1, cpu::kRowSums), sample);
  }
}

void HeadBatch::prepare_direct(Scope scope) {
  if (head_dim_ > most_direct_columns()) return;
  const Index heads = std::ssize(forms_), tiles = (context_ + kTileRows - 1) / kTileRows;
  const Index size = (1 + kVectors) * (head_dim_ + 2);
  std::vector<Index> keys = cpu::some_keys(context_);
  std::vector<std::int64_t> host_keys(keys.begin(), keys.end());
  host_keys.resize(kSampledKeys, 0);
  const Buffer<std::int64_t> sampled = upload_all(host_keys, worker_);
  Buffer<double> before(kv_heads_ * tiles * size, worker_.stream), all(kv_heads_ * size, worker_.stream),
      products(heads * context_ * kVectors, worker_.stream), parts(heads * tiles * kSampledKeys, worker_.stream),
      energies(heads * kSampledKeys, worker_.stream);
  key_sums(key_rows(), probes_.data(), before.data(), worker_.stream);
  sum_matrices(before.data(), kv_heads_, tiles, size, all.data(), worker_.stream);
  sums_before(before.data(), kv_heads_, tiles, size, worker_.stream);
  direct_products({members(), scope != Scope::full, is_masked(scope), static_cast<int>(keys.size())}, query_rows(),
                  key_rows(), scales_.data(), slopes_.data(), sampled.data(), probes_.data(), before.data(), all.data(),
                  products.data(), parts.data(), worker_.stream);
  sum_matrices(parts.data(), heads, tiles, kSampledKeys, energies.data(), worker_.stream);
  const Matrix found = download(products, heads, context_ * kVectors),
               of_keys = download(energies, heads, kSampledKeys);
  std::vector<cpu::DirectProducts>& out = direct_[scope];
  for (Index h = 0; h < heads; ++h) {
    out.push_back({matrix_of(found, h, context_, kVectors), keys, of_keys.row(h).head(std::ssize(keys)).transpose()});
  }
}

std::optional<RouteResult> HeadBatch::factored(Index head, Scope scope, const Rounding& limits) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  const auto found = factored_.find({scope, form.alibi_slope != 0});
  if (found == factored_.end() || !form.has_factors() || doubtful(head / members())) return std::nullopt;
  return found->second.result(head, limits);
}

std::optional<cpu::CoherentKeys> HeadBatch::coherence(Index kv_head) const {
  return coherence_.empty() ? std::nullopt : coherence_[static_cast<std::size_t>(kv_head)];
}

std::optional<cpu::Leverage> HeadBatch::slope_leverage(Index kv_head) const {
  const auto& keys = full_keys_[1];
  if (slope_leverages_.size() == 0 || doubtful(kv_head) || !keys->decomposed(kv_head)) return std::nullopt;
  return cpu::Leverage{slope_leverages_.row(kv_head), keys->width()};
}

const cpu::RowSample* HeadBatch::sample(Index head, Scope scope) const {
  const auto found = samples_.find(scope);
  return found == samples_.end() ? nullptr : &found->second[static_cast<std::size_t>(head)];
}

const cpu::DirectProducts* HeadBatch::direct(Index head, Scope scope) const {
  const LogitForm& form = forms_[static_cast<std::size_t>(head)];
  const auto found = direct_.find(scope);
  const bool simple = form.has_factors() && mask_of(form, scope, context_) == Visible{};
  return found == direct_.end() || !simple ? nullptr : &found->second[static_cast<std::size_t>(head)];
}

}  // namespace logitfield::kernels::cuda
