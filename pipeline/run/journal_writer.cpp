#include "pipeline/run/journal_writer.hpp"

namespace logitfield {
namespace {

/// Time between two checks of the folder of saved states.
constexpr std::chrono::seconds kPruneInterval{5};

}  // namespace

JournalWriter::JournalWriter(const Job& job, const Plan& plan, OpenRun& run)
    : run_(run),
      assembler_(plan.partition.grid.shards, [this](const Record& record) { write(record); }),
      progress_(job.num_texts * job.measured_layers.size(), run.done.count_units(job.measured_layers)) {}

void JournalWriter::write(const Record& record) {
  run_.journal.append(encode(record));
  if (const auto* layer = std::get_if<LayerRecord>(&record)) {
    run_.done.units[layer->text][layer->layer] = true;
    progress_.advance();
  }
  prune();
}

void JournalWriter::prune() {
  if (Clock::now() - pruned_ < kPruneInterval) return;
  for (std::int64_t text = 0; text < std::ssize(run_.done.units); ++text) {
    prune_states(run_.done, text, run_.folder.state());
  }
  pruned_ = Clock::now();
}

}  // namespace logitfield
