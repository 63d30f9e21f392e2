#include "pipeline/measure/layer_loop.hpp"

#include <map>
#include <optional>

#include "pipeline/forward/forward_pass.hpp"
#include "pipeline/forward/token_loss.hpp"
#include "pipeline/measure/field_meter.hpp"
#include "pipeline/measure/head_null.hpp"
#include "pipeline/measure/learned_interactions.hpp"
#include "pipeline/mpi/memory_for.hpp"
#include "pipeline/run/capture_dump.hpp"

namespace logitfield {
namespace {

using kernels::as_span;
using kernels::MatrixF;

/// Heads that the forward pass has just computed, on the rank that computed them.
class ComputedHeads final : public HeadSource {
 public:
  ComputedHeads(const kernels::Heads& all, const Job& job, Slice kv_heads)
      : all_(all), group_(job.group_size()), first_(kv_heads.begin) {}

  GroupRows rows(std::int64_t kv_head, Slice rows) const override {
    const std::int64_t own = kv_head - first_;
    GroupRows out;
    for (std::int64_t m = 0; m < group_; ++m) {
      out.queries.push_back(all_.queries(own * group_ + m, rows.begin, rows.size()));
    }
    out.keys = all_.keys(own, rows.begin, rows.size());
    return out;
  }
  const kernels::Heads* computed() const override { return &all_; }

 private:
  const kernels::Heads& all_;
  std::int64_t group_, first_;
};

/// Recorded heads: any rank can read any rows.
class RecordedHeads final : public HeadSource {
 public:
  RecordedHeads(const Job& job, std::int64_t layer) : job_(job), layer_(layer) {}

  GroupRows rows(std::int64_t kv_head, Slice rows) const override {
    GroupRows out;
    for (std::int64_t m = 0; m < job_.group_size(); ++m) {
      MatrixF& queries = out.queries.emplace_back(rows.size(), job_.head_dim);
      job_.capture().read_queries(layer_, kv_head * job_.group_size() + m, rows, as_span(queries));
    }
    out.keys.resize(rows.size(), job_.head_dim);
    job_.capture().read_keys(layer_, kv_head, rows, as_span(out.keys));
    return out;
  }

 private:
  const Job& job_;
  std::int64_t layer_;
};

/// Measures the heads of a forward pass as they are computed.
class ModelRun final : public LayerObserver {
 public:
  explicit ModelRun(const RunContext& c)
      : c_(c),
        shard_(shard_of(c.plan.partition, c.world.rank())),
        stage_ranks_(c.world.split(c.plan.partition.grid.stage_of(c.world.rank()))),
        meter_(c, stage_ranks_),
        head_null_(c, stage_ranks_),
        dump_(c.job, stage_ranks_) {}

  void run() { run_forward(c_, stage_ranks_, *this); }

  void loaded(std::int64_t layer, const kernels::BlockShape& shape, const kernels::LayerWeights& weights) override {
    if (layer < c_.job.measured_layers.begin) return;
    learned_[layer] = c_.clock.time(Phase::field, [&] { return learned_interactions(c_.backend, shape, weights); });
  }

  void heads(const UnitPlace& unit, const kernels::Heads& heads) override {
    c_.clock.time(Phase::read, [&] { dump_.write(unit, shard_.kv_heads, heads); });
    if (unit.layer >= c_.job.measured_layers.begin) {
      mpi::memory_for([&] { measure(unit, heads); }, "the fields of layer {} of text '{}'", unit.layer,
                      c_.job.texts()[unit.text].name);
    }
    c_.results.poll();
  }

  void finished(std::vector<TextStates> texts) override {
    if (!output_) {
      output_.emplace(c_, shard_.vocabulary);
      if (c_.plan.residency == Residency::resident) output_->keep_weights();
    }
    const std::vector<LossRecord> losses = mpi::memory_for(
        [&] { return token_losses(c_, stage_ranks_, *output_, std::move(texts)); }, "the output logits of all texts");
    if (!shard_.first()) return;  // all shards of the stage hold the same losses
    for (const LossRecord& loss : losses) c_.results.submit(loss);
  }

 private:
  void measure(const UnitPlace& unit, const kernels::Heads& heads) {
    const ComputedHeads source(heads, c_.job, shard_.kv_heads);
    LayerRecord record{unit.text, unit.layer, meter_.measure(unit, source)};
    head_null_.measure(unit, source, record.heads);
    attach(learned_.at(unit.layer), record.heads);
    c_.results.submit(record);
  }

  const RunContext& c_;
  const Shard shard_;
  const mpi::Communicator stage_ranks_;
  const FieldMeter meter_;
  const HeadNull head_null_;
  CaptureDump dump_;
  std::optional<OutputLayer> output_;
  /// Learned interactions by layer, for this rank's query heads.
  std::map<std::int64_t, std::vector<kernels::LearnedInteraction>> learned_;
};

}  // namespace

void run_model(const RunContext& context) { ModelRun(context).run(); }

void run_capture(const RunContext& c) {
  const Partition& partition = c.plan.partition;
  const int stage = partition.grid.stage_of(c.world.rank());
  const mpi::Communicator stage_ranks = c.world.split(stage);
  const FieldMeter meter(c, stage_ranks);
  const HeadNull head_null(c, stage_ranks);
  const Slice layers = partition.layers[stage];
  for (std::int64_t layer = layers.begin; layer < layers.end && !c.continuation.stopping(stage_ranks); ++layer) {
    if (c.continuation.done().units[0][layer]) continue;
    const RecordedHeads source(c.job, layer);
    const UnitPlace unit{.text = 0, .layer = layer};
    const auto measure = [&] {
      LayerRecord record{unit.text, unit.layer, meter.measure(unit, source)};
      head_null.measure(unit, source, record.heads);
      c.results.submit(record);
    };
    mpi::memory_for(measure, "the fields of layer {} of {}", layer, c.job.capture().folder().string());
    c.results.poll();
  }
}

}  // namespace logitfield
