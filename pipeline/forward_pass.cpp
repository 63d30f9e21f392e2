#include "pipeline/forward_pass.hpp"

#include "pipeline/embedding.hpp"
#include "pipeline/layer_loader.hpp"
#include "pipeline/mpi/team.hpp"

namespace logitfield {
namespace {

using kernels::Activations;
using kernels::LoadedLayer;
using kernels::MatrixF;
using States = std::unique_ptr<Activations>;

std::span<float> as_span(MatrixF& m) { return {m.data(), static_cast<std::size_t>(m.size())}; }

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
    for (std::int64_t l = layers_.begin; l < layers_.end; ++l) shapes_.push_back(block_shape(config(), l, shard_));
  }

  /// Layer by layer: each weight is read once, then serves every text.
  void stream() {
    std::vector<States> hidden;
    for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) hidden.push_back(receive(text));
    LayerLoader loader = open_loader();
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
      const std::unique_ptr<LoadedLayer> weights = loader.next(false);
      for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) step(layer, *weights, text, *hidden[text]);
    }
    if (!last_stage()) {
      for (const States& states : hidden) pass_on(*states);
    } else if (c_.job.has_loss()) {
      observer_.finished(std::move(hidden), 0);
    }
  }

  /// Text by text: the weights stay, and while this stage computes one text the next stage computes the one before.
  void resident() {
    std::vector<std::unique_ptr<LoadedLayer>> weights;
    LayerLoader loader = open_loader();
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) weights.push_back(loader.next(true));
    for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) {
      States hidden = receive(text);
      for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
        step(layer, *weights[layer - layers_.begin], text, *hidden);
      }
      if (!last_stage()) {
        pass_on(*hidden);
      } else if (c_.job.has_loss()) {
        std::vector<States> one;
        one.push_back(std::move(hidden));
        observer_.finished(std::move(one), text);
      }
    }
  }

 private:
  const io::ModelConfig& config() const { return c_.job.checkpoint->config(); }
  bool last_stage() const { return stage_ + 1 == grid_.stages; }

  LayerLoader open_loader() {
    return {c_, shard_, layers_, [this](std::int64_t layer, const kernels::LayerWeights& weights) {
              observer_.loaded(layer, shapes_[layer - layers_.begin], weights);
            }};
  }

  /// The text's hidden states as they enter this stage.
  States receive(std::int64_t text) {
    if (stage_ == 0) {
      const std::span<const std::int32_t> tokens(c_.job.texts[text].tokens);
      return c_.clock.time(Phase::read,
                           [&] { return embed(*c_.job.checkpoint, c_.backend, tokens.first(c_.job.length())); });
    }
    MatrixF hidden(c_.job.length(), config().hidden_size);
    c_.clock.time(Phase::communicate,
                  [&] { c_.world.receive(as_span(hidden), grid_.rank_of(stage_ - 1, shard_.index)); });
    return c_.backend.upload(std::move(hidden));
  }

  void pass_on(const Activations& states) {
    const auto send = [&](const MatrixF& m) {
      c_.world.send(std::span(m.data(), static_cast<std::size_t>(m.size())), grid_.rank_of(stage_ + 1, shard_.index));
    };
    c_.clock.time(Phase::communicate, [&] { states.read(send); });
  }

  /// Adds the sum of the shards' parts to the hidden states.
  void add_all(kernels::Half half, const LoadedLayer& weights, Activations& partial, Activations& hidden) {
    if (grid_.shards > 1) {
      c_.clock.time(Phase::communicate, [&] { partial.change([&](MatrixF& m) { stage_ranks_.sum(as_span(m)); }); });
    }
    c_.clock.time(Phase::forward, [&] { c_.backend.finish(half, weights, partial, hidden); });
  }

  void step(std::int64_t layer, const LoadedLayer& weights, std::int64_t text, Activations& hidden) {
    const kernels::BlockShape& shape = shapes_[layer - layers_.begin];
    const auto mlp = [&] {
      return c_.clock.time(Phase::forward, [&] { return c_.backend.mlp(shape, weights, hidden); });
    };
    const kernels::AttentionOutput said =
        c_.clock.time(Phase::forward, [&] { return c_.backend.attention(shape, weights, shards_, hidden); });
    if (shape.parallel) c_.backend.add(*mlp(), *said.partial);
    add_all(kernels::Half::attention, weights, *said.partial, hidden);
    observer_.heads(text, layer, *said.heads);
    if (!shape.parallel) add_all(kernels::Half::mlp, weights, *mlp(), hidden);
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
