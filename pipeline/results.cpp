#include "pipeline/results.hpp"

#include <algorithm>

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "pipeline/report_page.hpp"
#include "pipeline/summary.hpp"

namespace logitfield {
namespace {

void check_format(const std::filesystem::path& manifest, const nlohmann::json& object) {
  const auto format = io::required<std::string>(object, "format", manifest.string());
  const auto version = io::required<std::int64_t>(object, "version", manifest.string());
  if (format != kRunFormat)
    throw InputError("{}: \"format\" is not {}; give a run folder", manifest.string(), kRunFormat);
  if (version < 1 || version > kRunVersion) {
    throw InputError(
        "{}: a run folder of version {}, but this program reads 1 to {}; use the program that wrote it ({})",
        manifest.string(), version, kRunVersion, object.value("program", "unknown"));
  }
}

/// Reads the axes of the results from the manifest.
void read_axes(const std::filesystem::path& manifest, Results& results) {
  check_format(manifest, results.manifest);
  try {
    const nlohmann::json& m = results.manifest;
    for (const auto& text : m.at("texts")) results.texts.push_back(text.at("name"));
    results.contexts = m.at("contexts").get<std::vector<std::int64_t>>();
    results.scopes = m.at("scopes").get<std::vector<std::string>>();
    results.num_heads = m.at("model").at("num_heads");
    results.num_kv_heads = m.at("model").at("num_kv_heads");
    results.first_layer = m.at("layers").at(0);
    results.num_layers = m.at("layers").at(1).get<std::int64_t>() - results.first_layer;
  } catch (const nlohmann::json::exception& error) {
    throw InputError("{}: not a manifest of this version ({})", manifest.string(), error.what());
  }
  if (results.texts.empty() || results.contexts.empty() || results.scopes.empty() || results.num_heads < 1 ||
      results.num_kv_heads < 1 || results.num_heads % results.num_kv_heads != 0 || results.num_layers < 1) {
    throw InputError("{}: names no texts, contexts, scopes, layers or heads, or KV heads that do not divide the heads",
                     manifest.string());
  }
}

bool lies_below(std::int64_t index, std::int64_t end) { return index >= 0 && index < end; }

/// True where the record lies inside the manifest's axes.
bool fits(const LayerRecord& record, const Results& results) {
  const auto num_fields = std::ssize(results.contexts) * std::ssize(results.scopes);
  return lies_below(record.text, std::ssize(results.texts)) &&
         lies_below(record.layer - results.first_layer, results.num_layers) &&
         std::ssize(record.heads) == results.num_heads && std::ranges::all_of(record.heads, [&](const HeadRecord& h) {
           return lies_below(h.head, results.num_heads) && lies_below(h.kv_head, results.num_kv_heads) &&
                  std::ssize(h.fields) == num_fields;
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

Results load_results(const io::RunFolder& folder) { return load_results(folder, io::read_journal(folder.journal())); }

Results load_results(const io::RunFolder& folder, const io::JournalContent& journal) {
  Results results;
  results.manifest = io::read_json(folder.manifest());
  read_axes(folder.manifest(), results);
  for (std::size_t i = 0; i < journal.records.size(); ++i) {
    Record record;
    try {
      record = decode(journal.records[i]);
    } catch (const std::runtime_error& error) {
      throw InputError("{}: record {}: {}", folder.journal().string(), i, error.what());
    }
    if (!std::visit([&](const auto& r) { return fits(r, results); }, record)) {
      throw InputError("{}: record {} contradicts manifest.json; the two are not of one run", folder.journal().string(),
                       i);
    }
    std::visit([&](auto& r) { add(std::move(r), results); }, record);
  }
  return results;
}

nlohmann::json write_derived(const Results& results, const io::RunFolder& folder) {
  write_heads_csv(results, folder.heads_csv());
  if (!results.nulls.empty()) write_nulls_csv(results, folder.nulls_csv());
  write_results_nc(results, folder.results_nc());
  nlohmann::json summary = summarise(results);
  io::write_atomically(folder.summary(), summary.dump(1) + "\n");
  io::write_atomically(folder.report(), report_page(results));
  return summary;
}

}  // namespace logitfield
