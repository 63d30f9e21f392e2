#include "pipeline/forward/forward_pass.hpp"

#include <algorithm>
#include <map>

#include "pipeline/forward/embedding.hpp"
#include "pipeline/forward/layer_loader.hpp"
#include "pipeline/mpi/team.hpp"

namespace logitfield {
namespace {

using kernels::Activations;
using kernels::as_span;
using kernels::LoadedLayer;
using kernels::MatrixF;

/// One rank's part of the forward pass.
class ForwardPass {
 public:
  ForwardPass(const ForwardContext& c, const mpi::Communicator& stage_ranks, LayerObserver& observer)
      : c_(c),
        observer_(observer),
        grid_(c.plan.partition.grid),
        stage_(grid_.stage_of(c.world.rank())),
        shard_(shard_of(c.plan.partition, c.world.rank())),
        layers_(c.plan.partition.layers[stage_]),
        stage_ranks_(stage_ranks),
        shards_(stage_ranks) {
    for (std::int64_t l = layers_.begin; l < layers_.end; ++l) {
      shapes_.push_back(block_shape(config(), l, shard_, c_.job.forms_at(l, shard_.heads)));
    }
  }

  /// Layer by layer: each weight is read once and used for every text.
  void stream() {
    std::vector<TextStates> held;
    for (std::int64_t text = 0; text < c_.job.num_texts && !upstream_stopped_; ++text) take(text, held);
    LayerLoader loader = open_loader();
    for (const std::int64_t layer : needed_layers()) {
      if (stopping()) break;
      const std::unique_ptr<LoadedLayer> weights = loader.next(false);
      for (TextStates& states : held) {
        if (work_on(states.text).contains(layer) && !stopping()) step(layer, *weights, states);
      }
      keep(held);
    }
    if (stopping()) return stop(std::move(held));
    hand_over(std::move(held));
  }

  /// Text by text with resident weights: while this stage computes one text, the next stage computes the previous one.
  void resident() {
    std::map<std::int64_t, std::unique_ptr<LoadedLayer>> weights;
    LayerLoader loader = open_loader();
    for (const std::int64_t layer : needed_layers()) weights[layer] = loader.next(true);
    for (std::int64_t text = 0; text < c_.job.num_texts; ++text) {
      std::vector<TextStates> held;
      take(text, held);
      for (TextStates& states : held) {
        const Slice work = work_on(states.text);
        for (std::int64_t layer = work.begin; layer < work.end && !stopping(); ++layer) {
          step(layer, *weights.at(layer), states);
          keep(held);
        }
      }
      if (stopping()) return stop(std::move(held));
      hand_over(std::move(held));
    }
  }

 private:
  const io::ModelConfig& config() const { return c_.job.checkpoint().config(); }
  bool last_stage() const { return stage_ + 1 == grid_.stages; }

  LayerLoader open_loader() {
    return {c_, shard_, needed_layers(), [this](std::int64_t layer, const kernels::LayerWeights& weights) {
              observer_.loaded(layer, shapes_[layer - layers_.begin], weights);
            }};
  }

  const Done& done() const { return c_.continuation.done(); }

  /// The layers of this stage that must be computed for a text.
  Slice work_on(std::int64_t text) const {
    const Slice open = done().open_layers(text);
    const std::int64_t begin = std::clamp(open.begin, layers_.begin, layers_.end);
    return {begin, std::clamp(open.end, begin, layers_.end)};
  }
  /// The layers that any text needs.
  std::vector<std::int64_t> needed_layers() const {
    std::vector<std::int64_t> out;
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
      bool needed = false;
      for (std::int64_t text = 0; text < c_.job.num_texts; ++text) needed = needed || work_on(text).contains(layer);
      if (needed) out.push_back(layer);
    }
    return out;
  }
  /// Whether the text's states come from the previous stage; whether they go to the next stage.
  bool arrives(std::int64_t text) const {
    const Slice open = done().open_layers(text);
    return open.begin < layers_.begin && open.end > layers_.begin;
  }
  bool leaves(std::int64_t text) const {
    const Slice open = done().open_layers(text);
    return open.begin < layers_.end && open.end > layers_.end;
  }

  /// Adds the text's hidden states as they enter this stage, if the stage has work on them. They come from the tokens,
  /// from an earlier session, or from the previous stage, which may announce its stop instead.
  void take(std::int64_t text, std::vector<TextStates>& held) {
    if (arrives(text)) return receive(text, held);
    const bool only_loss = last_stage() && !done().losses[text] && done().saved[text] == layers_.end;
    if (work_on(text).size() == 0 && !only_loss) return;
    if (done().saved[text] > 0) {
      held.push_back(c_.clock.time(Phase::read, [&] { return c_.continuation.restored(text, c_.backend); }));
      return;
    }
    const std::span<const std::int32_t> tokens(c_.job.texts()[text].tokens);
    held.push_back(c_.clock.time(Phase::read, [&] {
      return TextStates{text, 0, embed(c_.job.checkpoint(), c_.backend, tokens.first(c_.job.length()))};
    }));
  }

  void receive(std::int64_t text, std::vector<TextStates>& held) {
    const int source = grid_.rank_of(stage_ - 1, shard_.index);
    float goes_on = 0;
    c_.clock.time(Phase::wait, [&] { c_.world.receive({&goes_on, 1}, source); });
    upstream_stopped_ = goes_on == 0;
    if (upstream_stopped_) return;
    received_ = text + 1;
    MatrixF hidden(c_.job.length(), config().hidden_size);
    c_.clock.time(Phase::communicate, [&] { c_.world.receive(as_span(hidden), source); });
    held.push_back({text, layers_.begin, c_.backend.upload(std::move(hidden))});
  }

  void pass_on(const TextStates& states) {
    const int target = grid_.rank_of(stage_ + 1, shard_.index);
    const float goes_on = 1;
    c_.clock.time(Phase::wait, [&] { c_.world.send({&goes_on, 1}, target); });
    const auto send = [&](const MatrixF& m) {
      c_.world.send(std::span(m.data(), static_cast<std::size_t>(m.size())), target);
    };
    c_.clock.time(Phase::communicate, [&] { states.hidden->read(send); });
    passed_on_ = states.text + 1;
  }

  /// Passes texts that this stage has finished to the next stage, or to the observer.
  void hand_over(std::vector<TextStates> held) {
    std::vector<TextStates> complete;
    for (TextStates& states : held) {
      if (leaves(states.text)) {
        pass_on(states);
      } else if (!done().losses[states.text]) {
        complete.push_back(std::move(states));
      }
    }
    if (!complete.empty()) observer_.finished(std::move(complete));
  }

  /// If true, every rank of the stage and every earlier stage that feeds it will stop too.
  bool stopping() { return c_.continuation.stopping(stage_ranks_) || upstream_stopped_; }

  void keep(const std::vector<TextStates>& held) {
    if (shard_.first()) c_.continuation.keep(held);
  }

  /// Saves the states held here, and those still coming from the previous stage, which must not wait forever. Then
  /// tells the next stage that nothing more comes.
  void stop(std::vector<TextStates> held) {
    const std::int64_t texts = c_.job.num_texts;
    for (std::int64_t text = received_; text < texts && !upstream_stopped_; ++text) {
      if (arrives(text)) receive(text, held);
    }
    if (shard_.first()) c_.continuation.keep_now(held);
    for (std::int64_t text = passed_on_; text < texts; ++text) {
      if (!leaves(text)) continue;
      const float goes_on = 0;
      return c_.world.send({&goes_on, 1}, grid_.rank_of(stage_ + 1, shard_.index));
    }
  }

  /// Adds the sum of the shards' parts to the hidden states.
  void add_all(kernels::Half half, const LoadedLayer& weights, Activations& partial, Activations& hidden) {
    if (grid_.shards > 1) {
      c_.clock.time(Phase::wait, [&] { stage_ranks_.barrier(); });
      c_.clock.time(Phase::communicate, [&] { partial.change([&](MatrixF& m) { stage_ranks_.sum(as_span(m)); }); });
    }
    c_.clock.time(Phase::forward, [&] { c_.backend.finish(half, weights, partial, hidden); });
  }

  /// Computes one unit: one layer of one text.
  void step(std::int64_t layer, const LoadedLayer& weights, TextStates& states) {
    const kernels::BlockShape& shape = shapes_[layer - layers_.begin];
    Activations& hidden = *states.hidden;
    const auto mlp = [&] {
      return c_.clock.time(Phase::forward, [&] { return c_.backend.mlp(shape, weights, hidden); });
    };
    const kernels::AttentionOutput said =
        c_.clock.time(Phase::forward, [&] { return c_.backend.attention(shape, weights, shards_, hidden); });
    if (shape.parallel) c_.backend.add(*mlp(), *said.partial);
    add_all(kernels::Half::attention, weights, *said.partial, hidden);
    // This keeps the device busy while the host decomposes the fields.
    std::unique_ptr<Activations> next;
    if (!shape.parallel && c_.backend.computes_aside()) next = mlp();
    if (!done().units[states.text][layer]) observer_.heads({.text = states.text, .layer = layer}, *said.heads);
    if (!shape.parallel && !next) next = mlp();
    if (next) add_all(kernels::Half::mlp, weights, *next, hidden);
    states.next = layer + 1;
  }

  const ForwardContext& c_;
  LayerObserver& observer_;
  const Grid grid_;
  const int stage_;
  const Shard shard_;
  const Slice layers_;
  const mpi::Communicator& stage_ranks_;
  const mpi::Team shards_;
  /// By layer of this stage.
  std::vector<kernels::BlockShape> shapes_;
  /// The previous stage has announced that nothing more comes.
  bool upstream_stopped_ = false;
  /// First text not yet received from the previous stage; first text not yet passed on to the next.
  std::int64_t received_ = 0, passed_on_ = 0;
};

}  // namespace

void run_forward(const ForwardContext& context, const mpi::Communicator& stage_ranks, LayerObserver& observer) {
  ForwardPass pass(context, stage_ranks, observer);
  if (context.plan.residency == Residency::stream) {
    pass.stream();
  } else {
    pass.resident();
  }
}

}  // namespace logitfield
