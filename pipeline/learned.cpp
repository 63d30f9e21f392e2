#include "pipeline/learned.hpp"

namespace logitfield {

using kernels::LearnedInteraction;

std::vector<LearnedInteraction> learned_interactions(const kernels::Backend& backend, const kernels::BlockShape& shape,
                                                     const kernels::LayerWeights& weights) {
  std::vector<LearnedInteraction> out;
  if (shape.latent_size > 0) {  // norms between the factors: no matrix W_Q^T W_K stands for the head
    out.resize(static_cast<std::size_t>(shape.num_heads));
    return out;
  }
  const kernels::Index group = shape.num_heads / shape.num_kv_heads;
  const auto projection = [&](kernels::Index head) {  // keys follow the queries
    return weights.qkv.weight.floats(head * shape.head_dim, shape.head_dim);
  };
  for (kernels::Index kv = 0; kv < shape.num_kv_heads; ++kv) {
    std::vector<kernels::MatrixF> queries;
    for (kernels::Index h = kv * group; h < (kv + 1) * group; ++h) queries.push_back(projection(h));
    const auto found = backend.learned_interactions({queries.begin(), queries.end()}, projection(shape.num_heads + kv),
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
