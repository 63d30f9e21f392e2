#include "pipeline/output_layer.hpp"

#include <algorithm>

#include "pipeline/weights.hpp"

namespace logitfield {

using kernels::Linear;
using kernels::MatrixF;

OutputLayer::OutputLayer(const ForwardContext& context, Slice vocabulary)
    : context_(context),
      vocabulary_(vocabulary),
      final_(*context.job.checkpoint),
      softcap_(context.job.checkpoint->config().output_softcap) {}

void OutputLayer::keep_weights() {
  kept_ = context_.clock.time(Phase::read, [&] { return load_output_rows(*context_.job.checkpoint, vocabulary_); });
}

MatrixF OutputLayer::logits(const MatrixF& states, const Linear& rows) const {
  MatrixF out = context_.backend.linear(states, rows);
  if (softcap_) {
    const float cap = static_cast<float>(*softcap_);
    out = (out.array() / cap).tanh() * cap;
  }
  return out;
}

void OutputLayer::for_each_tile(std::vector<TextStates> texts, const Visit& visit) const {
  PhaseClock& clock = context_.clock;
  for (TextStates& states : texts) {
    clock.time(Phase::forward, [&] { states.hidden = final_.apply(context_.backend, states.hidden); });
  }
  for (std::int64_t begin = vocabulary_.begin; begin < vocabulary_.end; begin += kOutputTileRows) {
    const Slice rows{begin, std::min(begin + kOutputTileRows, vocabulary_.end)};
    const std::int64_t first = begin - vocabulary_.begin;
    const Linear tile = clock.time(Phase::read, [&] {
      if (!kept_) return load_output_rows(*context_.job.checkpoint, rows);
      const bool has_bias = kept_->bias.size() > 0;
      return Linear{kept_->weight.middleRows(first, rows.size()),
                    has_bias ? kernels::VectorF(kept_->bias.segment(first, rows.size())) : kernels::VectorF()};
    });
    clock.time(Phase::forward, [&] {
      for (std::size_t t = 0; t < texts.size(); ++t) visit(t, logits(texts[t].hidden, tile), begin);
    });
  }
}

}  // namespace logitfield
