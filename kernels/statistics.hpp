#pragma once
#include <cstdint>
#include <vector>

namespace logitfield::kernels {

/// Statistics of singular values sigma, with e = sigma^2 the energies of the components.
struct SpectrumStatistics {
  /// Sum of e, the squared Frobenius norm of the field; 0 for a field that vanishes to rounding.
  double energy = 0;
  double sigma_max = 0;
  /// Number of sigma > max(shape) * eps * sigma_max.
  std::int64_t rank = 0;
  /// Least k with sum_{i<=k} e_i >= f * energy, for f = 0.50, 0.90, 0.95, 0.99; 0 for a zero field.
  std::int64_t k50 = 0, k90 = 0, k95 = 0, k99 = 0;
  /// exp of the Shannon entropy of sigma / sum sigma (Roy & Vetterli 2007), and of e / sum e.
  double effective_rank = 0, energy_effective_rank = 0;
  /// energy / sigma_max^2.
  double stable_rank = 0;
  /// (sum e)^2 / sum e^2.
  double participation_ratio = 0;
  /// sigma_1 / sigma_2; infinite where sigma_2 = 0, NaN for a zero field.
  double gap = 0;
};

/// How the energy is shared over L positions, c_j >= 0 with sum 1. All NaN (argmax -1) for a zero field.
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

/// Candes & Recht 2009: 1 = perfectly incoherent keys, L / rank = one key rules. Of one KV head.
struct KeyCoherence {
  /// Keys centred over positions, and as they are.
  double coherence = 0, coherence_raw = 0;
  /// Numerical rank of the centred keys.
  std::int64_t key_rank = 0;
};

/// Causal softmax of the scaled logits.
struct AttentionStatistics {
  /// Largest logit over j <= i.
  double max_logit = 0;
  /// Mean entropy of the rows, nats.
  double entropy = 0;
  /// Mean attention on position 0.
  double sink_first = 0;
};

/// The checks without which no number is trusted. Each error stands beside the bound that the arithmetic allows.
struct Certificate {
  /// |sum of e - energy by the Gram route| / energy.
  double energy_error = 0, energy_bound = 0;
  /// ||E X - U S V^T X|| / ||E X|| on random probes X, E X by the direct operator.
  double probe_residual = 0, probe_bound = 0;
  /// max_i |sum_j E_ij| / sum_j |E_ij|, measured on directly formed logits of at most 64 rows i, evenly spaced.
  double zero_sum_residual = 0;
  /// max_i of that row's residual over that row's own rounding bound: at most 1.
  double zero_sum_margin = 0;
  std::int64_t rank = 0, rank_bound = 0;
  /// max_j (c_j * stable_rank - leverage_j): at most the energy bound.
  double delocalisation_excess = 0;
  /// Q, K and every statistic are finite where they are defined.
  bool finite = false;

  bool certified() const;
};

/// Everything that is measured of one head, in one text, context and scope. Names as in the public schema.
struct HeadStatistics {
  SpectrumStatistics spectrum;
  std::int64_t rank_bound = 0;
  /// Descending, min(L, head_dim) of them.
  std::vector<double> singular_values;
  ShareStatistics keys, queries;
  /// Shares summed over at most 256 bins of equal width (profile_bins).
  std::vector<double> key_profile, query_profile;
  KeyCoherence coherence;
  /// max_j c_j * stable_rank / leverage_j; at most 1 in scope `full`.
  double delocalisation_ratio = 0;
  AttentionStatistics attention;
  Certificate certificate;
};

}  // namespace logitfield::kernels
