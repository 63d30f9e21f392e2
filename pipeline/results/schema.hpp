#pragma once
#include <cmath>
#include <string_view>

#include "kernels/statistics.hpp"

namespace logitfield {

/// The unit that a statistic belongs to.
enum class Kind {
  head,         // one value per query head
  kv_head,      // one value for all query heads of a KV head: counts once in the model's statistics
  certificate,  // an error or its bound: recorded, not averaged
};

/// One public column: names as in docs/statistics.md.
struct StatisticInfo {
  std::string_view name, units, description;
  Kind kind = Kind::head;
};

/// False for an integer -1 and a NaN, which mark a statistic without a value.
inline bool is_defined(std::int64_t value) { return value != -1; }
inline bool is_defined(double value) { return !std::isnan(value); }
inline bool is_defined(bool) { return true; }
inline bool is_defined(kernels::Route) { return true; }

/// Calls visit(StatisticInfo, value) for every scalar of `s` (HeadStatistics, const or not) in column order. Values are
/// double, std::int64_t (-1: missing), bool or kernels::Route. Journal, CSV, NetCDF and summary are all made from this
/// list.
template <class Statistics, class Visit>
void visit_statistics(Statistics& s, Visit&& visit) {
  const auto shares = [&](auto& group, bool keys) {
    visit({keys ? "key_max_share" : "query_max_share", "1", "largest energy share of one position"}, group.max_share);
    visit({keys ? "key_argmax" : "query_argmax", "position", "position of the largest share; missing for a zero field"},
          group.argmax);
    visit({keys ? "key_participation" : "query_participation", "1",
           "evenness over positions: 1 / (L sum c^2) of the energy shares c; 1: even, 1/L: one position"},
          group.participation);
    visit({keys ? "key_entropy" : "query_entropy", "1", "-sum c ln c / ln L of the energy shares c"}, group.entropy);
    visit({keys ? "key_gini" : "query_gini", "1", "Gini coefficient of the energy shares"}, group.gini);
    visit({keys ? "key_top1pct_share" : "query_top1pct_share", "1", "share of the ceil(L/100) largest positions"},
          group.top1pct_share);
    visit({keys ? "key_first_share" : "query_first_share", "1", "share of position 0"}, group.first_share);
  };
  visit({"route", "1", "route to the spectrum: 0 factored, 1 krylov, 2 dense, 3 scalapack", Kind::certificate},
        s.route);
  visit({"ranks", "1", "number of ranks that shared the head", Kind::certificate}, s.ranks);
  visit({"energy", "logit^2", "squared Frobenius norm of the field"}, s.spectrum.energy);
  visit({"zero_sum_residual", "1", "max_i |sum_j E_ij| / sum_j |E_ij|, on directly formed logits of up to 64 rows"},
        s.certificate.zero_sum_residual);
  visit({"rank", "1", "numerical rank of the field; missing where only leading components are known"}, s.spectrum.rank);
  visit({"rank_bound", "1", "largest rank that the algebra allows"}, s.rank_bound);
  visit({"sigma_max", "logit", "largest singular value"}, s.spectrum.sigma_max);
  visit({"components", "1", "number of computed singular values", Kind::certificate}, s.spectrum.components);
  visit({"captured", "1", "share of the energy in the computed components", Kind::certificate}, s.spectrum.captured);
  visit({"k50", "1", "number of components with 50 % of the energy; missing if more than k_more_than"}, s.spectrum.k50);
  visit({"k90", "1", "number of components with 90 % of the energy; missing if more than k_more_than"}, s.spectrum.k90);
  visit({"k95", "1", "number of components with 95 % of the energy; missing if more than k_more_than"}, s.spectrum.k95);
  visit({"k99", "1", "number of components with 99 % of the energy; missing if more than k_more_than"}, s.spectrum.k99);
  visit({"k_more_than", "1", "lower bound of those of k50 to k99 that are missing; missing if none is",
         Kind::certificate},
        s.spectrum.k_more_than);
  visit({"effective_rank", "1", "exp entropy of sigma / sum sigma (Roy & Vetterli 2007)"}, s.spectrum.effective_rank);
  visit({"effective_rank_se", "1", "absolute error of effective_rank; 0 if exact", Kind::certificate},
        s.spectrum.effective_rank_se);
  visit({"energy_effective_rank", "1", "exp entropy of sigma^2 / sum sigma^2"}, s.spectrum.energy_effective_rank);
  visit({"energy_effective_rank_se", "1", "absolute error of energy_effective_rank; 0 if exact", Kind::certificate},
        s.spectrum.energy_effective_rank_se);
  visit({"stable_rank", "1", "energy / sigma_max^2"}, s.spectrum.stable_rank);
  visit({"participation_ratio", "1", "(sum e)^2 / sum e^2 of the component energies e"},
        s.spectrum.participation_ratio);
  visit({"participation_ratio_se", "1", "absolute error of participation_ratio; 0 if exact", Kind::certificate},
        s.spectrum.participation_ratio_se);
  visit({"gap", "1", "sigma_1 / sigma_2"}, s.spectrum.gap);
  shares(s.keys, true);
  shares(s.queries, false);
  visit({"coherence", "1",
         "(L/r) max leverage of the centred keys (Candes & Recht 2009); 1: no key stands out, L/r: one key dominates",
         Kind::kv_head},
        s.coherence.coherence);
  visit({"coherence_raw", "1", "(L/r) max leverage of the keys, not centred", Kind::kv_head},
        s.coherence.coherence_raw);
  visit({"key_rank", "1", "numerical rank of the centred keys", Kind::kv_head}, s.coherence.key_rank);
  visit({"key_effective_rank", "1", "exp entropy of sigma / sum sigma of the centred keys", Kind::kv_head},
        s.coherence.key_effective_rank);
  visit({"delocalisation_ratio", "1", "max_j c_j stable_rank / leverage_j, at most 1; scope full"},
        s.delocalisation_ratio);
  visit({"max_logit", "logit", "largest logit of a key that the layer's mask shows"}, s.attention.max_logit);
  visit({"attention_entropy", "nat", "mean entropy of the rows of the causal softmax"}, s.attention.entropy);
  visit({"sink_first", "1", "mean causal attention on position 0"}, s.attention.sink_first);
  visit({"learned_k90", "1", "number of components with 90 % of the energy of W_Q^T W_K, gains of norms folded in"},
        s.learned.k90);
  visit({"learned_plain_k90", "1", "learned_k90 without the gains of norms"}, s.learned.plain_k90);
  visit({"learned_effective_rank", "1", "exp entropy of the singular values of W_Q^T W_K, gains of norms folded in"},
        s.learned.effective_rank);
  visit({"learned_stable_rank", "1", "stable rank of W_Q^T W_K, gains of norms folded in"}, s.learned.stable_rank);
  visit({"spectral_gap", "1", "learned_k90 / k90"}, s.learned.spectral_gap);

  auto& c = s.certificate;
  visit({"energy_error", "1", "largest relative difference between the ways to compute the energy", Kind::certificate},
        c.energy_error);
  visit({"energy_bound", "1", "rounding bound of energy_error", Kind::certificate}, c.energy_bound);
  visit({"probe_residual", "1",
         "largest difference between the route's products with random vectors and direct ones, over ||E||; krylov: or "
         "residual of a triplet",
         Kind::certificate},
        c.probe_residual);
  visit({"probe_bound", "1", "rounding bound of probe_residual", Kind::certificate}, c.probe_bound);
  visit({"zero_sum_margin", "1", "zero-sum residual over its rounding bound, worst row; must be at most 1",
         Kind::certificate},
        c.zero_sum_margin);
  visit({"delocalisation_excess", "1", "max_j (c_j stable_rank - leverage_j); must be at most energy_bound",
         Kind::certificate},
        c.delocalisation_excess);
  visit({"consistency_error", "1", "largest contradiction between the statistics", Kind::certificate}, c.inconsistency);
  visit({"attention_margin", "1",
         "difference of softmax rows from rows formed one by one, over the rounding bound; must be at most 1",
         Kind::certificate},
        c.attention_margin);
  visit({"dense_difference", "1", "largest difference from a dense decomposition; missing if none was requested",
         Kind::certificate},
        c.dense_difference);
  visit({"finite", "1", "1 if Q, K, the energy, effective ranks, participation ratio and attention are finite",
         Kind::certificate},
        c.finite);
}

}  // namespace logitfield
