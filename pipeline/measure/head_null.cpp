#include "pipeline/measure/head_null.hpp"

#include "kernels/random.hpp"
#include "pipeline/measure/drawn_heads.hpp"

namespace logitfield {
namespace {

std::uint64_t seed_of(std::uint64_t seed, const UnitPlace& unit, std::int64_t context, std::int64_t draw) {
  std::uint64_t out = kernels::stream_seed(seed, 0x68656164);  // differs from the seeds of other draws
  for (const std::int64_t part : {unit.text, unit.layer, context, draw}) {
    out = kernels::stream_seed(out, static_cast<std::uint64_t>(part));
  }
  return out;
}

/// The plan restricted to the fields of one context, with no head verified.
Plan part_of(const Plan& whole, std::int64_t context) {
  Plan plan = whole;
  plan.verified_heads = 0;
  std::erase_if(plan.fields, [&](const FieldPlan& field) { return field.request.context != context; });
  return plan;
}

}  // namespace

struct HeadNull::Context {
  Context(const RunContext& c, const mpi::Communicator& stage, std::int64_t tokens)
      : length(tokens),
        plan(part_of(c.plan, tokens)),
        context{{c.job, plan, c.backend, c.world, c.clock, c.continuation}, c.results},
        meter(context, stage) {}

  const std::int64_t length;
  const Plan plan;
  const RunContext context;
  const FieldMeter meter;
};

HeadNull::HeadNull(const RunContext& context, const mpi::Communicator& stage) : c_(context) {
  if (c_.plan.head_null.draws == 0) return;
  for (const std::int64_t length : c_.job.contexts) {
    contexts_.push_back(std::make_unique<Context>(c_, stage, length));
  }
}

HeadNull::~HeadNull() = default;

void HeadNull::measure(const UnitPlace& unit, const HeadSource& source, std::vector<HeadRecord>& heads) const {
  std::size_t first_field = 0;
  for (const auto& context : contexts_) {
    for (std::int64_t draw = 0; draw < c_.plan.head_null.draws; ++draw) {
      const std::uint64_t seed = seed_of(c_.plan.seed, unit, context->length, draw);
      const DrawnHeads drawn(source, context->length, c_.plan.head_null.shuffled, seed);
      const std::vector<HeadRecord> records = context->meter.measure(unit, drawn);
      for (std::size_t h = 0; h < heads.size(); ++h) {
        heads[h].nulls.resize(heads[h].fields.size());
        for (std::size_t f = 0; f < records[h].fields.size(); ++f) {
          heads[h].nulls[first_field + f].add(records[h].fields[f]);
        }
      }
    }
    first_field += context->plan.fields.size();
  }
}

}  // namespace logitfield
