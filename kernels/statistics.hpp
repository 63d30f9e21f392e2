#pragma once
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace logitfield::kernels {

/// The method that found a spectrum.
enum class Route {
  factored,  // computes the whole spectrum from d x d matrices
  krylov,  // computes leading components by a Krylov method; sums over the rest by integrals (with a window: estimates)
  dense,   // computes the whole spectrum on one rank (a two-stage SVD)
  scalapack,  // computes the whole spectrum by ScaLAPACK over several ranks
};
/// "factored", "krylov", "dense", "scalapack"
std::string_view route_name(Route route);

/// Statistics of singular values sigma, with e = sigma^2 the energies of the components.
struct SpectrumStatistics {
  /// Sum of e, the squared Frobenius norm of the field; 0 for a field that vanishes to rounding.
  double energy = 0;
  double sigma_max = 0;
  /// Number of sigma > max(shape) * eps * sigma_max; -1 where only leading components are known.
  std::int64_t rank = 0;
  /// Least k with sum_{i<=k} e_i >= f * energy, for f = 0.50, 0.90, 0.95, 0.99; 0 for a zero field, -1 if more
  /// components are needed than were computed.
  std::int64_t k50 = 0, k90 = 0, k95 = 0, k99 = 0;
  /// If too few components are known for some of these counts: a number that each missing count exceeds. Else -1.
  std::int64_t k_more_than = -1;
  /// Singular values computed, and their share of the energy.
  std::int64_t components = 0;
  double captured = 0;
  /// exp of the Shannon entropy of sigma / sum sigma (Roy & Vetterli 2007), and of e / sum e; and their possible
  /// errors. An error is 0 if the whole spectrum is known, else a bound (Krylov) or a standard error (with a window).
  double effective_rank = 0, energy_effective_rank = 0;
  double effective_rank_se = 0, energy_effective_rank_se = 0;
  /// energy / sigma_max^2.
  double stable_rank = 0;
  /// (sum e)^2 / sum e^2.
  double participation_ratio = 0, participation_ratio_se = 0;
  /// sigma_1 / sigma_2; infinite where the rank is 1, NaN for a zero field.
  double gap = 0;
};

/// Shares of the energy over L positions, c_j >= 0 with sum 1. All NaN (argmax -1) for a zero field.
struct ShareStatistics {
  double max_share = 0;
  std::int64_t argmax = -1;
  /// 1 / (L sum c^2): 1 = spread evenly, 1/L = one position.
  double participation = 0;
  /// -sum c ln c / ln L.
  double entropy = 0;
  double gini = 0;
  /// Share of the ceil(L/100) largest positions.
  double top1pct_share = 0;
  /// Share of position 0.
  double first_share = 0;
};

/// Coherence of one KV head's keys (Candes & Recht 2009): 1 = perfectly incoherent keys, L / rank = one key dominates.
struct KeyCoherence {
  /// Coherence of the keys centred over positions, and of the uncentred keys.
  double coherence = 0, coherence_raw = 0;
  /// Numerical rank of the centred keys.
  std::int64_t key_rank = 0;
  /// exp of the Shannon entropy of sigma / sum sigma of the centred keys; 0 where they vanish.
  double key_effective_rank = 0;
};

/// NaN marks a statistic that has no value here.
inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// Statistics of the causal softmax of the logits. NaN if the context is too long for it to be measured
/// (kLongestAttention).
struct AttentionStatistics {
  /// Largest logit of a key that the layer's mask shows.
  double max_logit = kUndefined;
  /// Mean entropy of the rows, in nats.
  double entropy = kUndefined;
  /// Mean attention on position 0.
  double sink_first = kUndefined;
};

/// Statistics of W_Q^T W_K of the head. The gains of the norms before and after the projections are folded in;
/// positions and biases are left out. Known only where the weights are.
struct LearnedInteraction {
  std::int64_t k90 = -1;
  /// k90 without any gains.
  std::int64_t plain_k90 = -1;
  double effective_rank = kUndefined, stable_rank = kUndefined;
  /// Learned k90 / k90 of the field.
  double spectral_gap = kUndefined;
};

/// One check of a certificate: an error, its bound, and whether the bound holds.
struct CertificateCheck {
  std::string_view name;
  double error = 0, bound = 0;
  bool holds = false;
};

/// The checks that a number must pass to be trusted. Each error is compared with the bound that the arithmetic allows.
struct Certificate {
  /// Largest difference between the ways to compute the energy, over the energy: the sum of e, of the energies per key,
  /// per query, and of rows and columns formed directly.
  double energy_error = 0, energy_bound = 0;
  /// E X by the route (factored: U S V^T X) against E X straight from Q and K, over ||E||, for random probes X.
  /// Compared on all rows, and on rows whose logits are formed one by one. Factored: also E X and E^T Y by the factors
  /// against U S V^T X and V S U^T Y. Krylov: also the largest residual of a triplet over sigma_1.
  double probe_residual = 0, probe_bound = 0;
  /// max_i |sum_j E_ij| / sum_j |E_ij| over the keys that the mean is taken over. Measured on directly formed logits of
  /// at most 64 rows i, evenly spaced.
  double zero_sum_residual = 0;
  /// Largest ratio of such a row's residual to that row's own rounding bound, or of the norm of the route's row sums to
  /// its bound: at most 1.
  double zero_sum_margin = 0;
  std::int64_t rank = 0, rank_bound = 0;
  /// max_j (c_j * stable_rank - leverage_j): at most the energy bound. 0 if no such inequality holds (scopes other than
  /// full, capped logits).
  double delocalisation_excess = 0;
  /// Largest difference from a dense decomposition by ScaLAPACK: of a singular value, over sigma_1, and of an energy,
  /// over the energy. NaN if no such decomposition was requested.
  double dense_difference = kUndefined;
  /// Largest contradiction between the statistics (see consistency.hpp); NaN in records that predate its measurement.
  double inconsistency = 0;
  /// Compares softmax rows with those of logits formed one by one: the largest ratio of a difference to its rounding
  /// bound, at most 1. NaN where attention is not measured or not compared.
  double attention_margin = kUndefined;
  /// Q, K, the energy, the effective ranks, the participation ratio and the attention statistics are finite, where they
  /// are defined.
  bool finite = false;

  /// Returns the checks that apply.
  std::vector<CertificateCheck> checks() const;
  /// Tells whether all checks that apply hold.
  bool certified() const;
};

/// Number of singular values kept per head, enough for a whole factored spectrum.
inline constexpr std::size_t kKeptComponents = 512;

/// Everything that is measured for one head, in one text, context and scope. Names as in the public schema.
struct HeadStatistics {
  Route route = Route::factored;
  /// Number of ranks that shared the head.
  std::int64_t ranks = 1;
  SpectrumStatistics spectrum;
  std::int64_t rank_bound = 0;
  /// The leading kKeptComponents of the computed singular values, descending.
  std::vector<double> singular_values;
  ShareStatistics keys, queries;
  /// Shares summed over at most 256 bins of equal width (profile_bins).
  std::vector<double> key_profile, query_profile;
  KeyCoherence coherence;
  /// max_j c_j * stable_rank / leverage_j in scope `full`, where it is at most 1; else NaN.
  double delocalisation_ratio = kUndefined;
  AttentionStatistics attention;
  LearnedInteraction learned;
  Certificate certificate;
};

}  // namespace logitfield::kernels
