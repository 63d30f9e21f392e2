#include "pipeline/results/results.hpp"

#include <algorithm>

#include "io/console.hpp"
#include "io/error.hpp"
#include "pipeline/results/manifest_reading.hpp"

namespace logitfield {
namespace {

bool lies_below(std::int64_t index, std::int64_t end) { return index >= 0 && index < end; }
bool is_measured(std::int64_t layer, const Results& results) {
  return layer >= results.first_layer && layer < results.first_layer + results.num_layers;
}

/// Whether the record lies inside the manifest's axes.
bool fits(const LayerRecord& record, const Results& results) {
  const auto num_fields = std::ssize(results.contexts) * std::ssize(results.scopes);
  return lies_below(record.text, std::ssize(results.texts)) && is_measured(record.layer, results) &&
         std::ssize(record.heads) == results.num_heads && std::ranges::all_of(record.heads, [&](const HeadRecord& h) {
           return lies_below(h.head, results.num_heads) && lies_below(h.kv_head, results.num_kv_heads) &&
                  std::ssize(h.fields) == num_fields && (h.nulls.empty() || std::ssize(h.nulls) == num_fields);
         });
}
bool fits(const LossRecord& record, const Results& results) {
  return lies_below(record.text, std::ssize(results.texts));
}
bool fits(const NullRecord& record, const Results& results) {
  return lies_below(record.field, std::ssize(results.contexts) * std::ssize(results.scopes));
}
bool fits(const SessionRecord&, const Results&) { return true; }
bool fits(const RankRecord&, const Results&) { return true; }

void add(LayerRecord&& layer, Results& results) {
  const std::pair place(layer.text, layer.layer);
  results.layers.insert_or_assign(place, std::move(layer));
}
void add(LossRecord&& loss, Results& results) {
  std::erase_if(results.losses, [&](const LossRecord& other) { return other.text == loss.text; });
  results.losses.push_back(loss);
}
void add(NullRecord&& null, Results& results) {
  std::erase_if(results.nulls, [&](const NullRecord& other) { return other.field == null.field; });
  results.nulls.push_back(std::move(null));
}
void add(SessionRecord&& session, Results& results) { results.sessions.push_back(std::move(session)); }
void add(RankRecord&& rank, Results& results) { results.ranks.push_back(std::move(rank)); }

}  // namespace

const NullDraws* Results::null_of(std::size_t field) const {
  const auto found = std::ranges::find(nulls, static_cast<std::int64_t>(field), &NullRecord::field);
  return found == nulls.end() ? nullptr : &found->of;
}

bool Results::complete() const { return std::ssize(layers) == std::ssize(texts) * num_layers; }

std::int64_t Results::failed_heads() const {
  std::int64_t failed = 0;
  for (const auto& [key, layer] : layers) {
    for (const HeadRecord& head : layer.heads) {
      for (const kernels::HeadStatistics& s : head.fields) failed += !s.certificate.certified();
    }
  }
  return failed;
}

Results load_results(const io::RunFolder& folder) {
  const io::JournalContent journal = io::read_journal(folder.journal());
  Results results = load_results(folder, journal);
  if (!results.damage.empty()) {
    io::tell("warning: {}; continue with --resume to measure the lost results again", results.damage);
  }
  if (journal.torn_bytes > 0) {
    io::tell("{}: the last {} bytes are not a complete record: it was still being written, or is damaged",
             folder.journal().string(), journal.torn_bytes);
  }
  return results;
}

Results load_results(const io::RunFolder& folder, const io::JournalContent& journal) {
  Results results = read_manifest(folder.manifest());
  results.damage = io::damage_text(folder.journal(), journal);
  for (std::size_t i = 0; i < journal.records.size(); ++i) {
    Record record;
    try {
      record = decode(journal.records[i]);
    } catch (const std::runtime_error& error) {
      throw InputError("{}: record {}: {}", folder.journal().string(), i, error.what());
    }
    if (!std::visit([&](const auto& r) { return fits(r, results); }, record)) {
      throw InputError("{}: record {} contradicts manifest.json; the two files belong to different runs",
                       folder.journal().string(), i);
    }
    std::visit([&](auto& r) { add(std::move(r), results); }, record);
  }
  return results;
}

}  // namespace logitfield
