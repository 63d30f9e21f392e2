#include "pipeline/measure/gaussian_null.hpp"

#include "kernels/random.hpp"
#include "pipeline/measure/field_meter.hpp"
#include "pipeline/measure/learned_interactions.hpp"

namespace logitfield {
namespace {

using kernels::stream_seed;

/// Random streams of one draw: its queries, keys and projections.
enum Stream : std::uint64_t { kQueries, kKeys, kQueryProjection, kKeyProjection, kStreams };

std::uint64_t draw_seed(std::uint64_t seed, std::int64_t draw, Stream stream) {
  return stream_seed(stream_seed(seed, 0x6e756c6c), static_cast<std::uint64_t>(draw) * kStreams + stream);
}

class GaussianHeads final : public HeadSource {
 public:
  GaussianHeads(std::uint64_t seed, std::int64_t head_dim) : seed_(seed), head_dim_(head_dim) {}
  GroupRows rows(std::int64_t draw, Slice rows) const override {
    return {{gaussian(draw, kQueries, rows)}, gaussian(draw, kKeys, rows)};
  }

 private:
  kernels::MatrixF gaussian(std::int64_t draw, Stream stream, Slice rows) const {
    return kernels::gaussian_rows(draw_seed(seed_, draw, stream), rows.begin, rows.size(), head_dim_).cast<float>();
  }
  std::uint64_t seed_;
  std::int64_t head_dim_;
};

/// A model of one layer with the draws as its heads.
Job null_job(const Job& measured, std::int64_t draws) {
  Job job;
  job.set_texts({{"null", {}}});
  job.contexts = measured.contexts;
  job.scopes = measured.scopes;
  job.num_layers = 1;
  job.measured_layers = {0, 1};
  job.head_dim = measured.head_dim;
  job.forms.assign(draws, {.scale = measured.forms.front().scale, .softcap = measured.forms.front().softcap});
  job.extents = {1, draws, draws, 0};
  return job;
}

Plan null_plan(const Plan& measured, std::int64_t draws, int ranks) {
  Plan plan;
  plan.fields = measured.fields;
  plan.partition = {{1, ranks}, {{0, 1}}, divide(draws, ranks), divide(draws, ranks), {}};
  return plan;
}

std::vector<kernels::LearnedInteraction> learned_null(const RunContext& c, Slice draws) {
  const std::int64_t hidden = c.job.checkpoint().config().hidden_size;
  std::vector<kernels::LearnedInteraction> out;
  for (std::int64_t draw = draws.begin; draw < draws.end; ++draw) {
    const auto projection = [&](Stream stream) {
      return kernels::MatrixF(
          kernels::gaussian_rows(draw_seed(c.plan.seed, draw, stream), 0, c.job.head_dim, hidden).cast<float>());
    };
    const kernels::MatrixF queries = projection(kQueryProjection), keys = projection(kKeyProjection);
    out.push_back(c.backend.learned_interactions({{queries}}, {keys}, {}).front());
  }
  return out;
}

NullRecord collect(const std::vector<LayerRecord>& parts, std::size_t field) {
  NullRecord out{static_cast<std::int64_t>(field), {}};
  for (const LayerRecord& part : parts) {
    for (const HeadRecord& head : part.heads) out.of.add(head.fields[field]);
  }
  return out;
}

}  // namespace

std::vector<NullRecord> measure_null(const RunContext& c) {
  const std::int64_t draws = c.plan.null_draws;
  if (draws == 0) return {};
  const Job job = null_job(c.job, draws);
  const Plan plan = null_plan(c.plan, draws, c.world.size());
  const RunContext context{{job, plan, c.backend, c.world, c.clock, c.continuation}, c.results};
  LayerRecord own{0, 0, FieldMeter(context, c.world).measure({}, GaussianHeads(c.plan.seed, job.head_dim))};
  const bool has_learned = !c.job.is_capture() && !c.job.checkpoint().config().latent;
  if (has_learned) attach(learned_null(c, plan.partition.heads[c.world.rank()]), own.heads);

  std::vector<LayerRecord> parts;
  for (const auto& bytes : c.world.gather(encode(own))) parts.push_back(std::get<LayerRecord>(decode(bytes)));
  std::vector<NullRecord> out;
  if (c.world.rank() != 0) return out;
  for (std::size_t f = 0; f < plan.fields.size(); ++f) out.push_back(collect(parts, f));
  return out;
}

}  // namespace logitfield
