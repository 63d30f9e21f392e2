#pragma once
#include <functional>
#include <map>

#include "kernels/cuda/field/factored_fields.hpp"
#include "kernels/cuda/handles.hpp"
#include "kernels/field/coherence.hpp"
#include "kernels/field/direct_products.hpp"
#include "kernels/field/row_sample.hpp"

namespace logitfield::kernels::cuda {

/// Some KV heads of a layer and all query heads that read them, in one context on a device. prepare() computes the
/// results that the requests need, for all heads at once: a few large operations instead of many small ones per head.
/// FieldContext asks for the results, head by head. All sums are over the context.
class HeadBatch {
 public:
  /// `forms` belong to the query heads. The heads must outlive the object.
  HeadBatch(const Lanes& lanes, const DeviceHeads& heads, Index first_kv_head, Index kv_heads,
            std::vector<LogitForm> forms, Index context);
  void prepare(std::span<const FieldRequest> requests);

  const std::vector<LogitForm>& forms() const { return forms_; }
  Index context() const { return context_; }
  Index head_dim() const { return head_dim_; }
  /// Query heads per KV head.
  Index members() const { return std::ssize(forms_) / kv_heads_; }
  /// Squared Frobenius norms.
  double query_norm(Index head) const { return query_norms_[static_cast<std::size_t>(head)]; }
  double key_norm(Index kv_head) const { return key_norms_[static_cast<std::size_t>(kv_head)]; }
  /// Tells whether the keys are so nearly constant that only the host's centring is reliable.
  bool doubtful(Index kv_head) const { return doubtful_[static_cast<std::size_t>(kv_head)]; }

  /// Return results of prepare(). They are empty if not asked for, or if the device cannot compute them for this head.
  std::optional<RouteResult> factored(Index head, Scope scope, const Rounding& limits) const;
  std::optional<kernels::CoherentKeys> coherence(Index kv_head) const;
  /// Returns the leverage of the centred keys with the column of positions.
  std::optional<kernels::Leverage> slope_leverage(Index kv_head) const;
  std::optional<kernels::RowSample> sample(Index head, Scope scope) const;
  std::optional<kernels::DirectProducts> direct(Index head, Scope scope) const;
  std::optional<RouteResult> dense(Index head, Scope scope, const Rounding& rounding) const;

  // The functions below give the inputs of routes that take heads one by one, and copies of the rows.
  FactorForm query_form(Index head) const;
  FactorForm key_form(Index kv_head, bool slope) const;
  /// Return the forms of the uncentred keys, and of the scaled queries.
  FactorForm raw_key_form(Index kv_head) const;
  FactorForm raw_query_form(Index head) const;
  const double* probes() const { return probes_.data(); }
  MatrixF queries(Index head) const { return heads_.queries(first_head_ + head, 0, context_); }
  MatrixF keys(Index kv_head) const { return heads_.keys(first_kv_head_ + kv_head, 0, context_); }

 private:
  HeadRows query_rows() const;
  HeadRows key_rows() const;
  void measure_norms();
  /// Return the forms of all heads together.
  FactorForm all_queries(bool slope) const;
  FactorForm all_keys(bool slope) const;
  void prepare_coherence();
  /// Calls `meanwhile` while the device decomposes the factors.
  void prepare_factored(Scope scope, bool slope, const std::function<void()>& meanwhile);
  void prepare_samples(Scope scope);
  void prepare_direct(Scope scope);
  void prepare_dense(Scope scope);
  /// Forms the field [context, context] of a head, and the sums of centre_rows.
  void form(Index head, Scope scope, const DirectHead* rules, double* field, double* sums) const;
  DirectHead rule_of(Index head, Scope scope) const;
  /// Tells whether running sums give the head's direct products: it has neither a cap nor a window.
  bool has_running_sums(Index head, Scope scope) const;
  /// Returns the squared norms of the rows of the bases [KV heads, padded].
  HostRows leverages(const TallFactors& keys, const Buffer<double>& bases) const;
  bool has_slope(bool slope) const;

  const Lanes& lanes_;
  const DeviceHeads& heads_;
  const Index first_kv_head_, kv_heads_, first_head_, context_, head_dim_;
  const std::vector<LogitForm> forms_;
  std::vector<double> query_norms_, key_norms_;
  std::vector<bool> doubtful_;
  /// Means of the keys [KV heads, head_dim].
  Matrix means_;
  Buffer<double> scales_, slopes_, shifts_, probes_;
  /// Key factors of scope full, [0] without and [1] with positions.
  std::optional<TallFactors> full_keys_[2];
  // Results, in the worker's room.
  /// Squared norms of the bases' rows, their products with r^-T mean, r^-T mean [KV heads, head_dim, 2], and the
  /// singular values of the centred keys.
  struct Coherence {
    HostRows leverages, along, directions, sigma;
    Buffer<double> triangles;
  };
  Coherence coherence_;
  HostRows slope_leverages_;
  /// By scope, then without and with positions.
  std::map<std::pair<Scope, bool>, FactoredFields> factored_;
  /// The sums of centre_rows for the sampled rows, and the squared norms of their queries [heads, padded].
  struct Samples {
    HostRows sums, norms;
  };
  std::map<Scope, Samples> samples_;
  /// Products with the probes [heads, length, 2], and energies of the sampled keys.
  struct Direct {
    HostRows products, energies;
  };
  std::map<Scope, Direct> direct_;
  /// Singular values and energies of the keys [heads, length], and the sums of centre_rows [heads, length, .].
  struct Dense {
    HostRows sigma, key_energy, sums;
  };
  std::map<Scope, Dense> dense_;
};

}  // namespace logitfield::kernels::cuda
