#include "kernels/cpu/experts.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "kernels/cpu/feed_forward.hpp"

namespace logitfield::kernels::cpu {
namespace {

constexpr double kExcluded = -std::numeric_limits<double>::infinity();

/// The numbers of the `count` largest scores, best first.
std::vector<Index> best(const Vector& scores, Index count) {
  std::vector<Index> order(static_cast<std::size_t>(scores.size()));
  std::iota(order.begin(), order.end(), Index{0});
  const auto better = [&](Index a, Index b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); };
  std::partial_sort(order.begin(), order.begin() + count, order.end(), better);
  order.resize(static_cast<std::size_t>(count));
  return order;
}

Vector scores_of(const io::Routing& routing, const VectorF& logits) {
  const auto x = logits.cast<double>().array();
  if (routing.sigmoid) return 1 / (1 + (-x).exp());
  const Vector weights = (x - x.maxCoeff()).exp();
  return weights / weights.sum();
}

/// Excludes the experts of all but the best groups.
void keep_best_groups(const io::Routing& routing, Vector& scores) {
  const Index size = routing.num_experts / routing.groups;
  Vector group_scores(routing.groups);
  for (Index g = 0; g < routing.groups; ++g) {
    Vector group = scores.segment(g * size, size);
    std::partial_sort(group.begin(), group.begin() + routing.group_scores, group.end(), std::greater<>());
    group_scores[g] = group.head(routing.group_scores).sum();
  }
  Vector kept = Vector::Constant(scores.size(), kExcluded);
  for (const Index g : best(group_scores, routing.top_groups)) {
    kept.segment(g * size, size) = scores.segment(g * size, size);
  }
  scores = kept;
}

/// The rows of `all` for `tokens`.
MatrixF gather(const MatrixFRef& all, const std::vector<std::pair<Index, float>>& tokens) {
  MatrixF rows(static_cast<Index>(tokens.size()), all.cols());
  for (Index i = 0; i < rows.rows(); ++i) rows.row(i) = all.row(tokens[i].first);
  return rows;
}

}  // namespace

std::vector<Choice> choose_experts(const io::Routing& routing, const VectorF& logits, const VectorF& bias) {
  if (!logits.allFinite()) throw std::runtime_error("a router's logit is not finite");
  const Vector scores = scores_of(routing, logits);
  Vector for_choice = scores;
  if (bias.size() > 0) for_choice += bias.cast<double>();
  if (routing.top_groups < routing.groups) keep_best_groups(routing, for_choice);
  std::vector<Choice> choices;
  double sum = 0;
  for (const Index expert : best(for_choice, routing.top_k)) {
    choices.push_back({expert, static_cast<float>(scores[expert])});
    sum += scores[expert];
  }
  const double factor = routing.normalise ? routing.scale / sum : routing.scale;
  for (Choice& choice : choices) choice.weight *= static_cast<float>(factor);
  return choices;
}

float share_of_shared_expert(float logit) { return 1 / (1 + std::exp(-logit)); }

void weigh_shared_expert(const MatrixF& router, const MatrixFRef& normalised, MatrixF& out) {
  const VectorF logits = normalised * router.row(0).transpose();
  for (Index i = 0; i < out.rows(); ++i) out.row(i) *= share_of_shared_expert(logits[i]);
}

void add_experts(const BlockShape& shape, const LayerWeights& weights, const MatrixFRef& normalised, MatrixF& out) {
  std::vector<std::vector<std::pair<Index, float>>> tokens(weights.experts.size());
  MatrixF logits = normalised * weights.router.transpose();
  if (weights.router_logit_bias.size() > 0) logits.rowwise() += weights.router_logit_bias.transpose();
  for (Index i = 0; i < normalised.rows(); ++i) {
    for (const Choice& choice : choose_experts(*shape.routing, logits.row(i), weights.router_bias)) {
      const Index own = choice.expert - weights.first_expert;
      if (own >= 0 && own < std::ssize(tokens)) tokens[own].emplace_back(i, choice.weight);
    }
  }
  for (std::size_t e = 0; e < tokens.size(); ++e) {
    if (tokens[e].empty()) continue;
    const MatrixF said = feed_forward(shape, weights.experts[e], gather(normalised, tokens[e]));
    for (Index i = 0; i < said.rows(); ++i) out.row(tokens[e][i].first) += tokens[e][i].second * said.row(i);
  }
}

}  // namespace logitfield::kernels::cpu
