#include "pipeline/layer_loop.hpp"

#include <map>

#include "pipeline/capture_dump.hpp"
#include "pipeline/field_meter.hpp"
#include "pipeline/learned.hpp"
#include "pipeline/token_loss.hpp"
#include "pipeline/weights.hpp"

namespace logitfield {
namespace {

using kernels::LayerWeights;
using kernels::MatrixF;

std::span<float> as_span(MatrixF& m) { return {m.data(), static_cast<std::size_t>(m.size())}; }

/// Heads that the forward pass has just made, on the rank that made them.
class ComputedHeads final : public HeadSource {
 public:
  ComputedHeads(const kernels::QueriesKeys& all, const Job& job, Slice kv_heads)
      : all_(all), group_(job.group_size()), length_(job.length()), first_(kv_heads.begin) {}

  GroupRows rows(std::int64_t kv_head, Slice rows) const override {
    const std::int64_t own = kv_head - first_;
    GroupRows out;
    for (std::int64_t m = 0; m < group_; ++m) {
      out.queries.push_back(all_.queries.middleRows((own * group_ + m) * length_ + rows.begin, rows.size()));
    }
    out.keys = all_.keys.middleRows(own * length_ + rows.begin, rows.size());
    return out;
  }

 private:
  const kernels::QueriesKeys& all_;
  std::int64_t group_, length_, first_;
};

/// Recorded heads: any rank can read any rows.
class RecordedHeads final : public HeadSource {
 public:
  RecordedHeads(const Job& job, std::int64_t layer) : job_(job), layer_(layer) {}

  GroupRows rows(std::int64_t kv_head, Slice rows) const override {
    GroupRows out;
    for (std::int64_t m = 0; m < job_.group_size(); ++m) {
      MatrixF& queries = out.queries.emplace_back(rows.size(), job_.head_dim);
      job_.capture->read_queries(layer_, kv_head * job_.group_size() + m, rows, as_span(queries));
    }
    out.keys.resize(rows.size(), job_.head_dim);
    job_.capture->read_keys(layer_, kv_head, rows, as_span(out.keys));
    return out;
  }

 private:
  const Job& job_;
  std::int64_t layer_;
};

/// One rank's part of the forward pass.
class ModelRun {
 public:
  explicit ModelRun(const RunContext& c)
      : c_(c),
        grid_(c.plan.partition.grid),
        stage_(grid_.stage_of(c.world.rank())),
        shard_(shard_of(c.plan.partition, c.world.rank())),
        layers_(c.plan.partition.layers[stage_]),
        shape_(block_shape(c.job.checkpoint->config(), shard_)),
        stage_ranks_(c.world.split(stage_)),
        meter_(c, stage_ranks_),
        dump_(c.job, stage_ranks_) {}

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
      const TokenLoss loss(c_, stage_ranks_, shard_.vocabulary);
      submit_losses(loss.measure(std::move(hidden), 0));
    }
  }

  /// Text by text: the weights stay, and while this stage computes one text the next stage computes the one before.
  void resident() {
    std::vector<LayerWeights> weights;
    for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) load(layer, weights.emplace_back());
    const bool measures_loss = last_stage() && c_.job.has_loss();
    std::optional<TokenLoss> loss;
    if (measures_loss) loss.emplace(c_, stage_ranks_, shard_.vocabulary).keep_weights();
    for (std::int64_t text = 0; text < c_.job.num_texts(); ++text) {
      MatrixF hidden = receive(text);
      for (std::int64_t layer = layers_.begin; layer < layers_.end; ++layer) {
        step(layer, weights[layer - layers_.begin], text, hidden);
      }
      if (!last_stage()) pass_on(hidden);
      if (measures_loss) {
        std::vector<MatrixF> one;
        one.push_back(std::move(hidden));
        submit_losses(loss->measure(std::move(one), text));
      }
    }
  }

 private:
  bool last_stage() const { return stage_ + 1 == grid_.stages; }

  void load(std::int64_t layer, LayerWeights& weights) {
    c_.clock.time(Phase::read, [&] { load_layer(*c_.job.checkpoint, layer, shard_, weights); });
    if (layer < c_.job.measured_layers.begin) return;
    learned_[layer] = c_.clock.time(Phase::field, [&] { return learned_interactions(c_.backend, shape_, weights); });
  }
  void prefetch(std::int64_t layer) {
    if (layer < layers_.end) prefetch_layer(*c_.job.checkpoint, layer, shard_);
  }

  /// The text's hidden states as they enter this stage.
  MatrixF receive(std::int64_t text) {
    if (stage_ == 0) {
      const std::span<const std::int32_t> tokens(c_.job.texts[text].tokens);
      return c_.clock.time(Phase::read, [&] { return embed(*c_.job.checkpoint, tokens.first(c_.job.length())); });
    }
    MatrixF hidden(c_.job.length(), shape_.hidden_size);
    c_.clock.time(Phase::communicate,
                  [&] { c_.world.receive(as_span(hidden), grid_.rank_of(stage_ - 1, shard_index())); });
    return hidden;
  }

  void pass_on(MatrixF& hidden) {
    c_.clock.time(Phase::communicate,
                  [&] { c_.world.send(as_span(hidden), grid_.rank_of(stage_ + 1, shard_index())); });
  }

  int shard_index() const { return grid_.shard_of(c_.world.rank()); }

  /// Adds the sum of the shards' parts to the hidden states.
  void add_all(MatrixF& partial, MatrixF& hidden) {
    c_.clock.time(Phase::communicate, [&] { stage_ranks_.sum(as_span(partial)); });
    hidden += partial;
  }

  void step(std::int64_t layer, const LayerWeights& weights, std::int64_t text, MatrixF& hidden) {
    MatrixF partial;
    kernels::QueriesKeys queries_keys;
    c_.clock.time(Phase::forward, [&] { c_.backend.attention(shape_, weights, hidden, partial, queries_keys); });
    add_all(partial, hidden);
    c_.clock.time(Phase::read, [&] { dump_.write(text, layer, shard_.kv_heads, queries_keys); });
    if (layer >= c_.job.measured_layers.begin) measure(layer, text, queries_keys);
    c_.clock.time(Phase::forward, [&] { c_.backend.mlp(shape_, weights, hidden, partial); });
    add_all(partial, hidden);
    c_.results.poll();
  }

  void measure(std::int64_t layer, std::int64_t text, const kernels::QueriesKeys& queries_keys) {
    LayerRecord record{text, layer, meter_.measure(text, layer, ComputedHeads(queries_keys, c_.job, shard_.kv_heads))};
    attach(learned_.at(layer), record.heads);
    c_.results.submit(record);
  }

  void submit_losses(const std::vector<LossRecord>& losses) {
    if (!shard_.first) return;  // all shards of the stage hold the same losses
    for (const LossRecord& loss : losses) c_.results.submit(loss);
  }

  const RunContext& c_;
  const Grid grid_;
  const int stage_;
  const Shard shard_;
  const Slice layers_;
  const kernels::BlockShape shape_;
  const mpi::Communicator stage_ranks_;
  const FieldMeter meter_;
  CaptureDump dump_;
  /// By layer, of this rank's query heads.
  std::map<std::int64_t, std::vector<kernels::LearnedInteraction>> learned_;
};

}  // namespace

void run_model(const RunContext& context) {
  ModelRun run(context);
  if (context.plan.residency == Residency::stream) {
    run.stream();
  } else {
    run.resident();
  }
}

void run_capture(const RunContext& c) {
  const Partition& partition = c.plan.partition;
  const int stage = partition.grid.stage_of(c.world.rank());
  const mpi::Communicator stage_ranks = c.world.split(stage);
  const FieldMeter meter(c, stage_ranks);
  const Slice layers = partition.layers[stage];
  for (std::int64_t layer = std::max(layers.begin, c.job.measured_layers.begin); layer < layers.end; ++layer) {
    c.results.submit(LayerRecord{0, layer, meter.measure(0, layer, RecordedHeads(c.job, layer))});
    c.results.poll();
  }
}

std::int64_t expected_records(const Job& job, const Plan& plan) {
  const std::int64_t layers = job.num_texts() * job.measured_layers.size() * plan.partition.grid.shards;
  return layers + (job.has_loss() ? job.num_texts() : 0);
}

}  // namespace logitfield
