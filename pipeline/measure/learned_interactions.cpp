#include "pipeline/measure/learned_interactions.hpp"

namespace logitfield {

using kernels::LearnedInteraction;

namespace {

/// Gains of the query or key norm for one head: its own part, or the gains shared by all heads; empty without a norm.
kernels::VectorF gain_of(const kernels::Norm& norm, kernels::Index head, kernels::Index columns) {
  if (!norm.present || norm.gain.size() <= columns) return norm.gain;
  return norm.gain.segment(head * columns, columns);
}

}  // namespace

std::vector<LearnedInteraction> learned_interactions(const kernels::Backend& backend, const kernels::BlockShape& shape,
                                                     const kernels::LayerWeights& weights) {
  std::vector<LearnedInteraction> out;
  if (shape.latent_size > 0) {  // norms between the factors: no matrix W_Q^T W_K represents the head
    out.resize(static_cast<std::size_t>(shape.num_heads));
    return out;
  }
  const kernels::Index group = shape.num_heads / shape.num_kv_heads;
  const kernels::Index d = shape.head_dim;
  const auto rows = [&](kernels::Index head) { return weights.qkv.weight.floats(head * d, d); };
  for (kernels::Index kv = 0; kv < shape.num_kv_heads; ++kv) {
    std::vector<kernels::MatrixF> query_rows;
    for (kernels::Index h = kv * group; h < (kv + 1) * group; ++h) query_rows.push_back(rows(h));
    const kernels::MatrixF key_rows = rows(shape.num_heads + kv);  // keys follow the queries
    std::vector<kernels::Projection> queries;
    for (kernels::Index m = 0; m < group; ++m) {
      queries.push_back({query_rows[static_cast<std::size_t>(m)], gain_of(weights.query_norm, kv * group + m, d)});
    }
    const auto found = backend.learned_interactions(queries, {key_rows, gain_of(weights.key_norm, kv, d)},
                                                    weights.attention_norm.gain);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

double spectral_gap(std::int64_t learned_k90, std::int64_t field_k90) {
  return learned_k90 > 0 && field_k90 > 0 ? static_cast<double>(learned_k90) / static_cast<double>(field_k90)
                                          : kernels::kUndefined;
}

void attach(const std::vector<LearnedInteraction>& learned, std::vector<HeadRecord>& heads) {
  for (std::size_t h = 0; h < heads.size(); ++h) {
    for (kernels::HeadStatistics& field : heads[h].fields) {
      field.learned = learned[h];
      field.learned.spectral_gap = spectral_gap(learned[h].k90, field.spectrum.k90);
    }
  }
}

}  // namespace logitfield
