#pragma once
#include <optional>

#include "kernels/cpu/coherence.hpp"
#include "kernels/cpu/field_routes.hpp"

namespace logitfield::kernels::cpu {

/// A KV head and its query heads in one context, as far as this rank's rows go: what all of its fields share, and their
/// measurement. The group's matrices must outlive it. All calls are collective.
class HeadContext {
 public:
  HeadContext(const Team& team, const HeadGroup& group, const Placement& placement);

  /// Statistics of one query head in one scope, by any route but scalapack. Attention is left undefined.
  HeadStatistics measure(std::size_t head, const FieldRequest& request);
  /// The same from what a route outside has found.
  HeadStatistics complete(std::size_t head, Scope scope, RouteResult result);

 private:
  /// Keys and the head's queries.
  bool finite(std::size_t head) const;
  RouteResult take_route(std::size_t head, const FieldRequest& request);
  Rounding rounding(std::size_t head) const;
  /// Left factor of a scope that the factored route takes.
  FactorRows query_rows(std::size_t head, Scope scope) const;
  /// Factored keys of a scope; shared by the query heads.
  const TallFactor& key_factor(std::size_t head, Scope scope);
  const CoherentKeys& coherence();
  const Leverage& key_leverage(std::size_t head);
  void certify(std::size_t head, Scope scope, const RouteResult& result, HeadStatistics& out);
  void check_delocalisation(std::size_t head, const Vector& key_energy, HeadStatistics& out);
  std::span<const double> gather(const Vector& own, Vector& all) const;

  const Team& team_;
  const HeadGroup& group_;
  const Placement placement_;
  CentredKeys keys_;
  /// Squared Frobenius norms of the query heads over the context.
  std::vector<double> query_norms_;
  /// Without and with the ALiBi column.
  std::optional<TallFactor> full_[2], causal_mean_[2];
  std::optional<CoherentKeys> coherence_;
  std::optional<Leverage> alibi_leverage_;
};

}  // namespace logitfield::kernels::cpu
