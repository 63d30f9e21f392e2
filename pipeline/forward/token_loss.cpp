#include "pipeline/forward/token_loss.hpp"

namespace logitfield {
namespace {

using kernels::Activations;
using kernels::LossPart;

LossRecord combine(const mpi::Communicator& stage_ranks, LossPart part, std::int64_t text) {
  const std::size_t positions = static_cast<std::size_t>(part.max.size());
  kernels::Vector max = part.max;
  stage_ranks.max({max.data(), positions});
  part.sum.array() *= (part.max - max).array().exp();
  stage_ranks.sum(std::span<double>(part.sum.data(), positions));
  stage_ranks.sum(std::span<double>(part.target.data(), positions));
  const double loss = (part.sum.array().log() + max.array() - part.target.array()).mean();
  return {text, static_cast<std::int64_t>(positions), loss};
}

}  // namespace

std::vector<LossRecord> token_losses(const ForwardContext& context, const mpi::Communicator& stage_ranks,
                                     const OutputLayer& output, std::vector<TextStates> texts) {
  const std::int64_t positions = context.job.length() - 1;
  std::vector<std::int64_t> numbers;
  for (const TextStates& states : texts) numbers.push_back(states.text);
  std::vector<LossPart> parts(texts.size(), LossPart(positions));
  output.for_each_tile(std::move(texts), [&](std::size_t t, const Activations& logits, std::int64_t first_token) {
    const std::span<const std::int32_t> tokens(context.job.texts()[numbers[t]].tokens);
    context.backend.add_loss(logits, first_token, tokens.subspan(1, positions), parts[t]);
  });
  std::vector<LossRecord> losses;
  for (std::size_t t = 0; t < parts.size(); ++t) {
    losses.push_back(combine(stage_ranks, std::move(parts[t]), numbers[t]));
  }
  return losses;
}

}  // namespace logitfield
