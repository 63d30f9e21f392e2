#include "pipeline/forward_pass.hpp"

#include "pipeline/embedding.hpp"
#include "pipeline/mpi/team.hpp"

namespace logitfield {
namespace {

using kernels::LayerWeights;
using kernels::MatrixF;

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
    std::vector<MatrixF> hidden;
    for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) hidden.push_back(receive(text));
    prefetch(layers_.begin);
    LayerWeights weights;
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
      load(layer, weights);
      prefetch(layer + 1);
      for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) step(layer, weights, text, hidden[text]);
    }
    if (!last_stage()) {
      for (MatrixF& states : hidden) pass_on(states);
    } else if (c_.job.has_loss()) {
      observer_.finished(std::move(hidden), 0);
    }
  }

  /// Text by text: the weights stay, and while this stage computes one text the next stage computes the one before.
  void resident() {
    std::vector<LayerWeights> weights;
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) load(layer, weights.emplace_back());
    for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) {
      MatrixF hidden = receive(text);
      for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
        step(layer, weights[layer - layers_.begin], text, hidden);
      }
      if (!last_stage()) {
        pass_on(hidden);
      } else if (c_.job.has_loss()) {
        std::vector<MatrixF> one;
        one.push_back(std::move(hidden));
        observer_.finished(std::move(one), text);
      }
    }
  }

 private:
  const io::ModelConfig& config() const { return c_.job.checkpoint->config(); }
  bool last_stage() const { return stage_ + 1 == grid_.stages; }

  void load(std::int64_t layer, LayerWeights& weights) {
    c_.clock.time(Phase::read, [&] { load_layer(*c_.job.checkpoint, layer, shard_, weights); });
    observer_.loaded(layer, shapes_[layer - layers_.begin], weights);
  }
  void prefetch(std::int64_t layer) {
    if (layer < layers_.end) prefetch_layer(*c_.job.checkpoint, layer, shard_);
  }

  /// The text's hidden states as they enter this stage.
  MatrixF receive(std::int64_t text) {
    if (stage_ == 0) {
      const std::span<const std::int32_t> tokens(c_.job.texts[text].tokens);
      return c_.clock.time(Phase::read,
                           [&] { return embed(*c_.job.checkpoint, c_.backend, tokens.first(c_.job.length())); });
    }
    MatrixF hidden(c_.job.length(), config().hidden_size);
    c_.clock.time(Phase::communicate,
                  [&] { c_.world.receive(as_span(hidden), grid_.rank_of(stage_ - 1, shard_.index)); });
    return hidden;
  }

  void pass_on(MatrixF& hidden) {
    c_.clock.time(Phase::communicate, [&] { c_.world.send(as_span(hidden), grid_.rank_of(stage_ + 1, shard_.index)); });
  }

  /// Adds the sum of the shards' parts, normalised where the family does so, to the hidden states; then normalises
  /// these where it does that.
  void add_all(MatrixF& partial, const kernels::Norm& output_norm, const kernels::Norm& residual_norm,
               MatrixF& hidden) {
    c_.clock.time(Phase::communicate, [&] { stage_ranks_.sum(as_span(partial)); });
    c_.clock.time(Phase::forward, [&] {
      hidden += output_norm.present ? c_.backend.normalise(partial, output_norm) : partial;
      if (residual_norm.present) hidden = c_.backend.normalise(hidden, residual_norm);
    });
  }

  void step(std::int64_t layer, const LayerWeights& weights, std::int64_t text, MatrixF& hidden) {
    const kernels::BlockShape& shape = shapes_[layer - layers_.begin];
    MatrixF partial, mlp_partial;
    kernels::QueriesKeys queries_keys;
    c_.clock.time(Phase::forward,
                  [&] { c_.backend.attention(shape, weights, shards_, hidden, partial, queries_keys); });
    if (shape.parallel) {
      c_.clock.time(Phase::forward, [&] { c_.backend.mlp(shape, weights, hidden, mlp_partial); });
      partial += mlp_partial;
    }
    add_all(partial, weights.attention_output_norm, weights.attention_residual_norm, hidden);
    observer_.heads(text, layer, queries_keys);
    if (shape.parallel) return;
    c_.clock.time(Phase::forward, [&] { c_.backend.mlp(shape, weights, hidden, partial); });
    add_all(partial, weights.mlp_output_norm, weights.mlp_residual_norm, hidden);
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
