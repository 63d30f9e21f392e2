#include "pipeline/results.hpp"

#include "io/error.hpp"
#include "io/file.hpp"
#include "io/json.hpp"
#include "pipeline/report_page.hpp"
#include "pipeline/summary.hpp"

namespace logitfield {
namespace {

/// Reads the axes of the results from the manifest.
void read_axes(const std::filesystem::path& manifest, Results& results) {
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
}

/// True where the record lies inside the manifest's axes.
bool fits(const LayerRecord& record, const Results& results) {
  if (record.text < 0 || record.text >= std::ssize(results.texts) || record.layer < results.first_layer ||
      record.layer >= results.first_layer + results.num_layers || std::ssize(record.heads) != results.num_heads) {
    return false;
  }
  for (const HeadRecord& head : record.heads) {
    if (head.head < 0 || head.head >= results.num_heads ||
        head.fields.size() != results.contexts.size() * results.scopes.size())
      return false;
  }
  return true;
}

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
    if (auto* layer = std::get_if<LayerRecord>(&record)) {
      if (!fits(*layer, results)) {
        throw InputError("{}: record {} (text {}, layer {}) contradicts manifest.json; the two are not of one run",
                         folder.journal().string(), i, layer->text, layer->layer);
      }
      results.layers.insert_or_assign({layer->text, layer->layer}, std::move(*layer));
    } else if (auto* loss = std::get_if<LossRecord>(&record)) {
      std::erase_if(results.losses, [&](const LossRecord& other) { return other.text == loss->text; });
      results.losses.push_back(*loss);
    } else if (auto* null = std::get_if<NullRecord>(&record)) {
      std::erase_if(results.nulls, [&](const NullRecord& other) { return other.field == null->field; });
      results.nulls.push_back(std::move(*null));
    } else if (auto* session = std::get_if<SessionRecord>(&record)) {
      results.sessions.push_back(std::move(*session));
    } else {
      results.ranks.push_back(std::get<RankRecord>(std::move(record)));
    }
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
