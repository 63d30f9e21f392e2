#pragma once
#include <optional>

#include "kernels/field/attention_statistics.hpp"
#include "kernels/field/coherence.hpp"
#include "kernels/field/direct_products.hpp"
#include "kernels/field/routes.hpp"
#include "kernels/field/row_sample.hpp"

namespace logitfield::kernels {

/// Measures and certifies the fields of a KV head and its query heads in one context. Derived classes provide the parts
/// that depend on where the rows are. All calls are collective.
class FieldContext {
 public:
  virtual ~FieldContext() = default;
  /// Measures one query head in one scope, by any route except scalapack. Attention is left undefined.
  HeadStatistics measure(std::size_t head, const FieldRequest& request);
  /// Completes the statistics from the result of a route that was taken elsewhere.
  HeadStatistics complete(std::size_t head, Scope scope, RouteResult result);

  virtual RouteResult take_route(std::size_t head, const FieldRequest& request) = 0;
  virtual const CoherentKeys& coherence() = 0;
  /// Returns the leverage of the centred keys and, if the head has a slope, the column of positions.
  virtual const Leverage& key_leverage(std::size_t head) = 0;
  virtual RowSample sample(std::size_t head, Scope scope) = 0;
  virtual DirectProducts direct(std::size_t head, Scope scope) = 0;

 protected:
  /// `rows`: this rank's rows [rows, head_dim].
  FieldContext(const Team& team, std::vector<LogitForm> forms, const Placement& placement, Index rows, Index head_dim)
      : team_(team), forms_(std::move(forms)), placement_(placement), rows_(rows), head_dim_(head_dim) {}
  Rounding rounding(std::size_t head) const;
  /// Tells whether the keys and the head's queries are finite.
  bool finite(std::size_t head) const;
  /// Returns the largest rank of the field's blocks below the diagonal if those above it are zero; else the context.
  Index coupling(std::size_t head, Scope scope) const;

  const Team& team_;
  const std::vector<LogitForm> forms_;
  const Placement placement_;
  const Index rows_, head_dim_;
  /// Over the context: Frobenius norm of the uncentred keys; squared norms of the query heads.
  double raw_norm_ = 0;
  std::vector<double> query_norms_;

 private:
  /// Squared norms of the operands of the logits (scaled queries and keys, with positions); and the number of terms of
  /// a sum.
  struct Magnitudes {
    double queries = 0, keys = 0, terms = 0;
  };
  Magnitudes magnitudes(std::size_t head) const;
  /// Fills the certificate. `by_keys` and `by_queries` are energies over the context. Defined in certification.cpp.
  void certify(std::size_t head, Scope scope, double by_keys, double by_queries, const RouteResult& result,
               HeadStatistics& out);
  void compare_totals(double by_keys, double by_queries, const RouteResult& result, HeadStatistics& out) const;
  void compare_rows(const RowSample& sample, const Magnitudes& sizes, const RouteResult& result,
                    HeadStatistics& out) const;
  void compare_direct(const DirectProducts& direct, const Magnitudes& sizes, const RouteResult& result,
                      HeadStatistics& out) const;
  void check_delocalisation(std::size_t head, const Vector& key_energy, HeadStatistics& out);
  std::span<const double> gather(const Vector& own, Vector& all) const;
};

/// A FieldContext of matrices in host memory, which hold this rank's rows; they must outlive it.
class HeadContext final : public FieldContext {
 public:
  HeadContext(const Team& team, const HeadGroup& group, const Placement& placement);

  /// Returns the factors of the causal field with these row means.
  CausalField causal_rows(std::size_t head, const Vector& means) const;
  /// Compares softmax rows with sampled ones (attention_check.hpp). This rank must hold the whole context.
  double attention_margin(std::size_t head, const AttentionRows& rows);

  RouteResult take_route(std::size_t head, const FieldRequest& request) override;
  const CoherentKeys& coherence() override;
  const Leverage& key_leverage(std::size_t head) override;
  RowSample sample(std::size_t head, Scope scope) override;
  DirectProducts direct(std::size_t head, Scope scope) override;

 private:
  /// Returns the left factor of a scope that the factored route supports.
  FactorRows query_rows(std::size_t head, Scope scope) const;
  /// Returns the logits of the head's sampled rows. They are kept until another head is asked for.
  const SampledLogits& sampled(std::size_t head);
  /// Returns the decomposed key factor of a scope, which the query heads share.
  const TallFactor& key_factor(std::size_t head, Scope scope);

  const HeadGroup& group_;
  CentredKeys keys_;
  /// The probes of this rank's rows.
  const Matrix probes_;
  /// Key factors without and with the ALiBi column.
  std::optional<TallFactor> full_[2], causal_mean_[2];
  std::optional<SampledLogits> sampled_;
  std::size_t sampled_head_ = 0;
  std::optional<double> largest_key_;
  std::optional<CoherentKeys> coherence_;
  std::optional<Leverage> alibi_leverage_;
};

}  // namespace logitfield::kernels
