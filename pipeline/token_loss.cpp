#include "pipeline/token_loss.hpp"

#include <algorithm>

#include "pipeline/weights.hpp"

namespace logitfield {

using kernels::LossPart;
using kernels::MatrixF;
using kernels::MatrixFRef;

TokenLoss::TokenLoss(const RunContext& context, const mpi::Communicator& stage_ranks, Slice vocabulary)
    : context_(context),
      stage_ranks_(stage_ranks),
      vocabulary_(vocabulary),
      norm_(load_final_norm(*context.job.checkpoint)) {}

void TokenLoss::keep_weights() {
  kept_ = context_.clock.time(Phase::read, [&] { return load_output_rows(*context_.job.checkpoint, vocabulary_); });
}

std::vector<LossRecord> TokenLoss::measure(std::vector<MatrixF> hidden, std::int64_t first_text) const {
  PhaseClock& clock = context_.clock;
  const double epsilon = context_.job.checkpoint->config().norm_epsilon;
  std::vector<LossPart> parts;
  for (MatrixF& states : hidden) {
    states = context_.backend.normalise(states, norm_, epsilon);
    parts.emplace_back(context_.job.length() - 1);
  }
  const auto add_tile = [&](const MatrixFRef& rows, std::int64_t first_token) {
    for (std::size_t t = 0; t < hidden.size(); ++t) {
      const std::span<const std::int32_t> tokens(context_.job.texts[first_text + t].tokens);
      context_.backend.add_loss(hidden[t], rows, first_token, tokens.subspan(1, context_.job.length() - 1), parts[t]);
    }
  };
  for (std::int64_t begin = vocabulary_.begin; begin < vocabulary_.end; begin += kOutputTileRows) {
    const Slice rows{begin, std::min(begin + kOutputTileRows, vocabulary_.end)};
    if (kept_) {
      clock.time(Phase::forward, [&] { add_tile(kept_->middleRows(begin - vocabulary_.begin, rows.size()), begin); });
    } else {
      const MatrixF tile = clock.time(Phase::read, [&] { return load_output_rows(*context_.job.checkpoint, rows); });
      clock.time(Phase::forward, [&] { add_tile(tile, begin); });
    }
  }
  std::vector<LossRecord> losses;
  for (LossPart& part : parts) losses.push_back(combine(std::move(part), first_text + std::ssize(losses)));
  return losses;
}

LossRecord TokenLoss::combine(LossPart part, std::int64_t text) const {
  const std::size_t positions = static_cast<std::size_t>(part.max.size());
  kernels::Vector max = part.max;
  stage_ranks_.max({max.data(), positions});
  part.sum.array() *= (part.max - max).array().exp();
  stage_ranks_.sum(std::span<double>(part.sum.data(), positions));
  stage_ranks_.sum(std::span<double>(part.target.data(), positions));
  const double loss = (part.sum.array().log() + max.array() - part.target.array()).mean();
  return {text, static_cast<std::int64_t>(positions), loss};
}

}  // namespace logitfield
