#include "pipeline/forward/output_layer.hpp"

#include <algorithm>

#include "pipeline/forward/layer_weights.hpp"

namespace logitfield {

using kernels::Activations;

OutputLayer::OutputLayer(const ForwardContext& context, Slice vocabulary)
    : context_(context),
      vocabulary_(vocabulary),
      final_(context.job.checkpoint(), context.backend),
      softcap_(context.job.checkpoint().config().output_softcap) {}

std::unique_ptr<kernels::LoadedLinear> OutputLayer::load_tile(std::int64_t begin) const {
  const Slice rows{begin, std::min(begin + kOutputTileRows, vocabulary_.end)};
  const kernels::Backend& backend = context_.backend;
  return context_.clock.time(Phase::read, [&] {
    return backend.load(load_output_rows(context_.job.checkpoint(), rows, backend.precision()));
  });
}

void OutputLayer::keep_weights() {
  for (std::int64_t begin = vocabulary_.begin; begin < vocabulary_.end; begin += kOutputTileRows) {
    kept_.push_back(load_tile(begin));
  }
}

void OutputLayer::for_each_tile(std::vector<TextStates> texts, const Visit& visit) const {
  PhaseClock& clock = context_.clock;
  const kernels::Backend& backend = context_.backend;
  for (TextStates& states : texts) {
    clock.time(Phase::forward, [&] { states.hidden = final_.apply(backend, std::move(states.hidden)); });
  }
  for (std::int64_t begin = vocabulary_.begin; begin < vocabulary_.end; begin += kOutputTileRows) {
    std::unique_ptr<kernels::LoadedLinear> read;
    if (kept_.empty()) read = load_tile(begin);
    const kernels::LoadedLinear& tile = read ? *read : *kept_[(begin - vocabulary_.begin) / kOutputTileRows];
    clock.time(Phase::forward, [&] {
      for (std::size_t t = 0; t < texts.size(); ++t) {
        const std::unique_ptr<Activations> logits = backend.linear(*texts[t].hidden, tile);
        if (softcap_) backend.soft_cap(*softcap_, *logits);
        visit(t, *logits, begin);
      }
    });
  }
}

}  // namespace logitfield
